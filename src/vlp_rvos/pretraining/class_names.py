"""The names of the stem's 1000 ImageNet classes, and an everyday word for each."""

from __future__ import annotations

from importlib import resources

__all__ = ["SYNONYMS", "class_names", "everyday_word"]

#: (first class index, last class index, the noun that a person would use); later rows win
RANGES = (
    (0, 6, "fish"), (7, 24, "bird"), (25, 32, "frog"), (33, 37, "turtle"), (38, 51, "lizard"), (52, 68, "snake"),
    (70, 77, "spider"), (80, 100, "bird"), (104, 106, "kangaroo"), (118, 121, "crab"), (127, 146, "bird"),
    (147, 148, "whale"), (149, 150, "seal"), (151, 268, "dog"), (269, 272, "wolf"), (277, 280, "fox"),
    (281, 285, "cat"), (286, 293, "wild cat"), (294, 297, "bear"), (300, 319, "insect"), (321, 326, "butterfly"),
    (330, 332, "rabbit"), (335, 335, "squirrel"), (339, 339, "horse"), (340, 340, "zebra"), (341, 343, "pig"),
    (344, 344, "hippo"), (345, 347, "cow"), (348, 349, "sheep"), (350, 350, "goat"), (351, 353, "deer"),
    (354, 354, "camel"), (355, 355, "llama"), (356, 362, "weasel"), (365, 384, "monkey"), (385, 386, "elephant"),
    (388, 388, "panda"), (389, 397, "fish"), (99, 99, "goose"), (100, 100, "swan"), (97, 98, "duck"),
)  # fmt: skip
#: everyday word -> names of its classes, spelled as in `imagenet_classes.txt`
MEMBERS = {
    "car": "beach wagon|cab|convertible|jeep|limousine|minivan|Model T|pickup|racer|sports car|police van|ambulance",
    "truck": "moving van|trailer truck|tow truck|garbage truck|fire engine",
    "bus": "school bus|minibus|trolleybus",
    "bicycle": "mountain bike|bicycle-built-for-two|tricycle|unicycle",
    "motorcycle": "moped|motor scooter|crash helmet",
    "cart": "go-kart|horse cart|oxcart|shopping cart|jinrikisha|golfcart",
    "train": "steam locomotive|electric locomotive|bullet train|freight car|passenger car|streetcar",
    "airplane": "airliner|warplane|wing",
    "boat": "speedboat|canoe|gondola|lifeboat|catamaran|trimaran|schooner|yawl|fireboat|container ship|liner|pirate",
    "ball": "soccer ball|basketball|tennis ball|volleyball|rugby ball|golf ball|baseball|ping-pong ball|croquet ball",
    "parachute": "parachute|balloon",
    "person": "scuba diver|groom|ballplayer",
    "dress": "gown|hoopskirt|overskirt|sarong|kimono|abaya",
    "skirt": "miniskirt",
    "jacket": "trench coat|fur coat|lab coat|poncho|cloak",
    "shirt": "jersey|sweatshirt|cardigan",
    "shoes": "running shoe|Loafer|clog|sandal|cowboy boot",
    "bag": "purse|backpack|mailbag|plastic bag",
    "hat": "cowboy hat|sombrero|bonnet|bearskin|mortarboard",
    "chair": "folding chair|rocking chair|barber chair|throne",
    "table": "dining table|desk|pool table",
    "building": "church|palace|barn|castle|library|monastery|mosque|prison|restaurant",
    "fence": "chainlink fence|picket fence|worm fence|stone wall",
    "tree": "",
}

#: category of an annotation -> other words for it
SYNONYMS = {
    "person": ("man", "woman", "human", "people", "somebody", "boy", "girl", "pedestrian"),
    "car": ("vehicle", "automobile"),
    "truck": ("vehicle", "lorry"),
    "bus": ("vehicle", "coach"),
    "motorcycle": ("motorbike", "scooter", "vehicle"),
    "bicycle": ("bike", "cycle"),
    "cyclist": ("person on a bike", "rider", "biker"),
    "airplane": ("plane", "aircraft", "jet"),
    "boat": ("ship", "vessel"),
    "train": ("locomotive", "railway train"),
    "bird": ("animal", "waterbird"),
    "dog": ("animal", "puppy", "pet"),
    "cat": ("animal", "kitten", "pet"),
    "horse": ("animal", "pony"),
    "cow": ("animal", "cattle"),
    "sheep": ("animal", "lamb"),
    "bear": ("animal",),
    "zebra": ("animal",),
    "giraffe": ("animal",),
    "elephant": ("animal",),
    "couch": ("sofa",),
    "tv": ("television", "screen"),
    "cell phone": ("phone",),
    "potted plant": ("plant",),
    "dining table": ("table",),
    "pavement": ("sidewalk",),
    "road": ("street",),
    "building": ("house",),
    "tree": ("trees", "plants"),
    "pants": ("trousers",),
    "jeans": ("trousers",),
    "t-shirt": ("shirt",),
    "purse": ("bag", "handbag"),
    "handbag": ("bag", "purse"),
    "backpack": ("bag", "rucksack"),
    "shoes": ("footwear",),
    "sneakers": ("shoes",),
    "boots": ("shoes", "footwear"),
    "heels": ("shoes",),
    "sports ball": ("ball",),
}


def class_names() -> list[str]:
    """The 1000 class names, in the order of the stem's classifier."""
    return (resources.files("vlp_rvos") / "data" / "language" / "imagenet_classes.txt").read_text("utf-8").splitlines()


def everyday_word(index: int, name: str) -> str:
    """The everyday noun for a class.

    Args:
        index: index of the class.
        name: name of the class, which is returned where there is no everyday noun.
    """
    word = name
    for first, last, noun in RANGES:
        if first <= index <= last:
            word = noun
    for noun, members in MEMBERS.items():
        if name in members.split("|"):
            word = noun
    return word
