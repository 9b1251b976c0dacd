from __future__ import annotations

from vlp_rvos.pretraining.class_names import MEMBERS, SYNONYMS, class_names, everyday_word


def test_classes_have_their_everyday_words() -> None:
    names = class_names()
    words = {name: everyday_word(index, name) for index, name in enumerate(names)}
    assert len(names) == 1000
    expected = {
        "golden retriever": "dog",
        "black swan": "swan",
        "Arabian camel": "camel",
        "tiger cat": "cat",
        "ox": "cow",
        "African elephant": "elephant",
        "sports car": "car",
        "goose": "goose",
        "drake": "duck",
        "American coot": "bird",
        "teapot": "teapot",
    }
    assert {name: words[name] for name in expected} == expected


def test_members_are_spelled_as_in_the_class_list() -> None:
    known = set(class_names())
    assert not {name for members in MEMBERS.values() for name in members.split("|") if name} - known
    assert all(word not in others for word, others in SYNONYMS.items())
