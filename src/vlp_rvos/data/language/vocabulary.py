"""The words of generated expressions: the names of categories, broader and narrower nouns, plurals, verbs of motion.

Tables only; `nouns` answers questions about them.
"""

from __future__ import annotations

__all__ = [
    "AGELESS_NAMES",
    "AMBIGUOUS_GROUPS",
    "BAGS",
    "CATEGORY_NAMES",
    "FEMALE_GARMENTS",
    "FEMALE_NAMES",
    "GENERIC_NOUNS",
    "HYPERNYMS",
    "HYPONYMS",
    "MALE_NAMES",
    "MOTION_VERBS",
    "PEOPLE",
    "PLURALS",
    "PLURAL_ONLY",
    "RARE_NOUNS",
    "STUFF",
    "VAGUE_HYPERNYMS",
    "split_names",
]


def split_names(text: str) -> frozenset[str]:
    """The names in a text: "car bus" -> {"car", "bus"}. Where there are commas, names may contain spaces."""
    return frozenset(name.strip() for name in (text.split(",") if "," in text else text.split()))


# Category -> its names. The first one is the commonest and is preferred.
CATEGORY_NAMES: dict[str, list[str]] = {
    "person": ["person", "human", "individual"],
    "cyclist": ["cyclist", "person on a bike", "person riding a bicycle", "bike rider"],
    "bicycle": ["bicycle", "bike", "push bike"],
    "car": ["car", "automobile"],
    "motorcycle": ["motorcycle", "motorbike"],
    "airplane": ["airplane", "plane", "aircraft", "aeroplane"],
    "bus": ["bus"],
    "train": ["train", "railway train"],
    "truck": ["truck", "lorry"],
    "boat": ["boat", "ship", "vessel"],
    "traffic light": ["traffic light", "stoplight"],
    "stop sign": ["stop sign", "traffic sign"],
    "bench": ["bench", "park bench"],
    "bird": ["bird"],
    "cat": ["cat"],
    "dog": ["dog"],
    "horse": ["horse"],
    "sheep": ["sheep"],
    "cow": ["cow"],
    "elephant": ["elephant"],
    "bear": ["bear"],
    "zebra": ["zebra"],
    "giraffe": ["giraffe"],
    "backpack": ["backpack", "rucksack"],
    "umbrella": ["umbrella", "parasol"],
    "handbag": ["handbag", "bag"],
    "tie": ["tie", "necktie"],
    "suitcase": ["suitcase", "travel case"],
    "frisbee": ["frisbee", "flying disc"],
    "skis": ["skis", "pair of skis"],
    "snowboard": ["snowboard"],
    "sports ball": ["ball", "sports ball"],
    "kite": ["kite"],
    "baseball bat": ["baseball bat", "bat"],
    "baseball glove": ["baseball glove", "baseball mitt"],
    "skateboard": ["skateboard"],
    "surfboard": ["surfboard"],
    "tennis racket": ["tennis racket", "racket"],
    "bottle": ["bottle"],
    "wine glass": ["wine glass", "glass"],
    "cup": ["cup", "mug"],
    "fork": ["fork"],
    "knife": ["knife"],
    "spoon": ["spoon"],
    "bowl": ["bowl", "dish"],
    "banana": ["banana"],
    "apple": ["apple"],
    "sandwich": ["sandwich"],
    "orange": ["orange"],
    "broccoli": ["broccoli", "piece of broccoli"],
    "carrot": ["carrot"],
    "hot dog": ["hot dog", "sausage in a bun"],
    "pizza": ["pizza"],
    "donut": ["donut", "doughnut"],
    "cake": ["cake", "piece of cake"],
    "chair": ["chair", "seat"],
    "couch": ["couch", "sofa", "settee"],
    "potted plant": ["potted plant", "plant", "plant in a pot"],
    "bed": ["bed"],
    "dining table": ["table", "dining table"],
    "toilet": ["toilet"],
    "tv": ["tv", "television", "screen", "monitor"],
    "laptop": ["laptop", "notebook computer"],
    "mouse": ["computer mouse"],
    "remote": ["remote control", "remote"],
    "keyboard": ["keyboard", "computer keyboard"],
    "cell phone": ["cell phone", "phone", "mobile phone"],
    "microwave": ["microwave", "microwave oven"],
    "oven": ["oven", "stove"],
    "toaster": ["toaster"],
    "sink": ["sink", "washbasin"],
    "refrigerator": ["refrigerator", "fridge"],
    "book": ["book"],
    "clock": ["clock"],
    "vase": ["vase"],
    "scissors": ["scissors", "pair of scissors"],
    "teddy bear": ["teddy bear", "stuffed bear", "soft toy"],
    "toothbrush": ["toothbrush"],
    "road": ["road", "street", "roadway"],
    "building": ["building"],
    "sky": ["sky"],
    "tree": ["tree"],
    "fence": ["fence", "railing"],
    "pavement": ["pavement", "sidewalk", "footpath"],
    "shoes": ["shoes", "pair of shoes"],
    "boots": ["boots", "pair of boots"],
    "sandals": ["sandals", "pair of sandals"],
    "sneakers": ["sneakers", "trainers"],
    "loafers": ["loafers", "leather shoes"],
    "pumps": ["pumps", "high heels"],
    "heels": ["heels", "high heels"],
    "flats": ["flat shoes", "flats"],
    "wedges": ["wedges", "wedge shoes"],
    "bag": ["bag", "handbag"],
    "purse": ["purse", "handbag", "bag"],
    "wallet": ["wallet", "clutch"],
    "pants": ["pants", "trousers"],
    "jeans": ["jeans", "denim trousers"],
    "leggings": ["leggings"],
    "tights": ["tights"],
    "stockings": ["stockings", "tights"],
    "socks": ["socks", "pair of socks"],
    "shorts": ["shorts", "short pants"],
    "dress": ["dress", "gown"],
    "skirt": ["skirt"],
    "romper": ["romper", "playsuit"],
    "bodysuit": ["bodysuit"],
    "suit": ["suit"],
    "coat": ["coat", "overcoat"],
    "jacket": ["jacket"],
    "blazer": ["blazer", "suit jacket"],
    "cape": ["cape", "cloak"],
    "cardigan": ["cardigan", "knitted jacket"],
    "vest": ["vest", "waistcoat"],
    "hoodie": ["hoodie", "hooded sweater"],
    "sweatshirt": ["sweatshirt"],
    "sweater": ["sweater", "pullover"],
    "jumper": ["jumper", "pullover"],
    "blouse": ["blouse"],
    "shirt": ["shirt"],
    "t-shirt": ["t-shirt", "tee shirt"],
    "top": ["top"],
    "hat": ["hat", "cap"],
    "scarf": ["scarf", "shawl"],
    "gloves": ["gloves", "pair of gloves"],
    "belt": ["belt"],
    "necklace": ["necklace", "chain"],
    "accessories": ["accessories"],
}

# Background matter rather than objects.
STUFF = frozenset({"road", "building", "sky", "tree", "fence", "pavement"})
PEOPLE = frozenset({"person", "cyclist"})
FEMALE_GARMENTS = frozenset({"dress", "skirt", "blouse", "stockings", "tights", "pumps", "heels"})
FEMALE_NAMES = ("woman", "lady", "girl")
MALE_NAMES = ("man", "boy", "guy")
# Words for people that say nothing of their sex.
AGELESS_NAMES = ("child", "kid", "toddler", "teenager", "adult", "someone")
# Words for everything.
GENERIC_NOUNS = ("object", "thing")
# What people carry rather than wear.
BAGS = frozenset({"bag", "purse", "wallet", "handbag"})


def _hypernyms_by_category() -> dict[str, tuple[str, ...]]:
    groups: dict[tuple[str, ...], str] = {
        ("animal",): "bird cat dog horse sheep cow elephant bear zebra giraffe",
        ("pet",): "cat dog",
        ("vehicle",): "car motorcycle bus truck",
        ("flying machine",): "airplane",
        ("piece of furniture",): "chair couch bed|dining table|bench",
        ("food",): "banana apple sandwich broccoli carrot pizza donut cake orange|hot dog",
        ("fruit",): "banana apple orange",
        ("vegetable",): "broccoli carrot",
        ("toy",): "kite frisbee|teddy bear",
        ("footwear", "shoes"): "boots sandals sneakers loafers pumps heels flats wedges",
        ("footwear",): "shoes",
        ("trousers", "pants"): "jeans leggings",
        ("farm animal",): "cow sheep horse",
    }
    found: dict[str, tuple[str, ...]] = {}
    for names, members in groups.items():
        first, *phrases = members.split("|")
        for member in first.split() + phrases:
            found[member] = (*found.get(member, ()), *names)
    return found


# Category -> broader nouns that are always right for it.
HYPERNYMS: dict[str, tuple[str, ...]] = _hypernyms_by_category()

# Category -> narrower nouns that some of its members deserve. Whether one does is unclear.
HYPONYMS: dict[str, frozenset[str]] = {
    category: frozenset(names.split(","))
    for category, names in {
        "bird": "penguin,owl,parrot,eagle,peacock,chicken,goose,swan,flamingo,duck,mallard,ostrich",
        "person": "surfer,skier,snowboarder,diver,astronaut,clown,knight,robot,rider,player,dancer,skater,mother,pilot,"
        "hiker,cyclist,windsurfer,paraglider",
        "cyclist": "surfer,skier,snowboarder,diver,astronaut,clown,knight,robot",
        "boat": "canoe,kayak,sailboat,submarine",
        "motorcycle": "scooter,moped",
        "surfboard": "surfer,windsurfer",
        "airplane": "helicopter,rocket",
        "car": "race car,tank,tractor,jeep,suv",
        "truck": "tank,tractor,excavator,bulldozer,forklift,jeep,suv",
        "sports ball": "basketball,bowling ball,football",
        "teddy bear": "panda,monkey,rabbit,koala,dinosaur,dragon,robot,clown,snowman",
        "dog": "wolf,fox",
        "horse": "donkey,pony",
        "cow": "buffalo,goat",
        "sheep": "goat,llama",
        "kite": "dragon,parachute,paraglider,kite board,hot air balloon,butterfly,fish,octopus,shark",
        "building": "lighthouse,windmill",
        "sink": "bathtub",
        "oven": "washing machine,toaster",
        "fruit": "banana,pineapple,watermelon",
    }.items()
}

# Broader noun -> categories that some people would call so and others would not.
VAGUE_HYPERNYMS: dict[str, frozenset[str]] = {
    "vehicle": frozenset({"airplane", "train", "bicycle", "boat", "cyclist"}),
    "toy": frozenset({"sports ball", "skateboard", "snowboard"}),
    "piece of furniture": frozenset({"toilet", "refrigerator", "potted plant", "tv"}),
    "food": frozenset({"bowl", "cup", "bottle"}),
    "pet": frozenset({"bird", "horse", "sheep", "cow"}),
    "animal": frozenset({"teddy bear", "person", "kite"}),
    "flying machine": frozenset({"kite", "bird"}),
    "vegetable": frozenset({"banana", "apple", "orange", "potted plant"}),
    "fruit": frozenset({"carrot", "broccoli"}),
}

# Groups of categories whose borders annotators draw differently: a name of one member is unclear for the others.
AMBIGUOUS_GROUPS: tuple[frozenset[str], ...] = (
    frozenset({"person", "cyclist"}),
    frozenset({"bicycle", "cyclist", "motorcycle"}),
    frozenset({"car", "truck", "bus"}),
    frozenset({"bag", "purse", "wallet", "handbag", "backpack", "suitcase", "accessories"}),
    frozenset(
        {"shoes", "boots", "sandals", "sneakers", "loafers", "pumps", "heels", "flats", "wedges", "socks", "stockings"}
    ),
    frozenset({"pants", "jeans", "leggings", "tights", "stockings", "socks", "shorts", "suit"}),
    frozenset({"dress", "skirt", "romper", "bodysuit", "top", "jumper", "shorts", "blouse", "shirt", "coat", "suit"}),
    frozenset({"coat", "jacket", "blazer", "cape", "cardigan", "vest", "suit", "hoodie", "sweater", "shirt", "scarf"}),
    frozenset(
        {
            "sweatshirt",
            "sweater",
            "jumper",
            "hoodie",
            "cardigan",
            "blouse",
            "shirt",
            "t-shirt",
            "top",
            "vest",
            "bodysuit",
            "blazer",
            "jacket",
            "suit",
            "cape",
            "dress",
        }
    ),
    frozenset({"necklace", "accessories", "belt", "tie", "scarf", "gloves", "hat"}),
    frozenset({"cup", "wine glass", "bowl", "vase", "bottle"}),
    frozenset({"chair", "bench", "couch", "bed"}),
    frozenset({"tv", "laptop"}),
    frozenset({"keyboard", "laptop", "mouse"}),
    frozenset({"cell phone", "remote"}),
    frozenset({"sports ball", "orange", "apple"}),
    frozenset({"microwave", "oven"}),
    frozenset({"surfboard", "snowboard", "skateboard", "skis"}),
    frozenset({"cake", "donut", "sandwich", "hot dog", "pizza"}),
    frozenset({"potted plant", "tree", "vase"}),
    frozenset({"fork", "knife", "spoon", "scissors"}),
    frozenset({"road", "pavement"}),
    frozenset({"bear", "teddy bear"}),
    frozenset({"stop sign", "traffic light"}),
    frozenset({"horse", "cow", "zebra"}),
    frozenset({"cow", "sheep"}),
    frozenset({"kite", "umbrella", "airplane"}),
)

# Nouns that are plural, or uncountable, although they name one object: no article "a", no plural form.
PLURAL_ONLY = split_names(
    """
        shoes boots sandals sneakers trainers loafers pumps heels flats wedges pants trousers jeans leggings
        tights stockings socks shorts scissors skis gloves accessories footwear food broccoli
        """
) | {"leather shoes", "high heels", "flat shoes", "wedge shoes", "denim trousers", "short pants"}

PLURALS: dict[str, str] = {
    "person": "people",
    "human": "humans",
    "woman": "women",
    "man": "men",
    "lady": "ladies",
    "sheep": "sheep",
    "knife": "knives",
    "bus": "buses",
    "aircraft": "aircraft",
    "couch": "couches",
    "bench": "benches",
    "wine glass": "wine glasses",
    "glass": "glasses",
    "sandwich": "sandwiches",
    "toothbrush": "toothbrushes",
    "dish": "dishes",
    "lorry": "lorries",
    "fruit": "fruits",
    "piece of furniture": "pieces of furniture",
    "piece of broccoli": "pieces of broccoli",
    "piece of cake": "pieces of cake",
    "person on a bike": "people on bikes",
    "person riding a bicycle": "people riding bicycles",
    "plant in a pot": "plants in pots",
    "sausage in a bun": "sausages in buns",
    "tv": "tvs",
}

# Further nouns that the expressions of data sets may be about.
RARE_NOUNS: tuple[str, ...] = tuple(
    sorted(
        split_names(
            """
            lion, tiger, leopard, panda, kangaroo, monkey, gorilla, ape, penguin, dolphin, whale, shark,
            turtle, lizard, snake, frog, crocodile, rabbit, squirrel, fox, wolf, deer, camel, goat, pig,
            donkey, owl, parrot, eagle, peacock, chicken, goose, swan, flamingo, duck, rhino, hippo,
            jellyfish, octopus, fish, crab, snail, spider, butterfly, bee, hedgehog, raccoon, koala,
            ostrich, llama, buffalo, elephant, giraffe, zebra, bear, sheep, cow, pony, helicopter, tank,
            tractor, rocket, submarine, hot air balloon, parachute, canoe, kayak, sailboat, race car,
            excavator, bulldozer, forklift, surfboard, snowboard, piano, guitar, violin, drum, trumpet,
            toilet, bathtub, refrigerator, microwave, toaster, washing machine, sewing machine, pizza,
            hot dog, banana, pineapple, watermelon, cake, teddy bear, frisbee, kite, surfer, skier,
            snowboarder, diver, astronaut, clown, knight, robot, dinosaur, dragon, snowman, basketball,
            bowling ball, tennis racket, golf club, chess board, cannon, totem pole, igloo, windmill,
            lighthouse
            """
        )
    )
)

# Category or broader noun -> participles for its motion; "" for all others.
MOTION_VERBS: dict[str, tuple[str, ...]] = {
    "person": ("walking", "moving", "running", "going"),
    "animal": ("walking", "moving", "running", "going"),
    "bird": ("flying", "moving"),
    "vehicle": ("driving", "moving", "going"),
    "cyclist": ("riding", "moving", "going"),
    "bicycle": ("rolling", "moving"),
    "train": ("driving", "moving", "going"),
    "airplane": ("flying", "moving"),
    "kite": ("flying", "moving"),
    "boat": ("sailing", "moving", "floating"),
    "sports ball": ("rolling", "flying", "moving"),
    "frisbee": ("flying", "moving"),
    "": ("moving", "sliding", "going"),
}
