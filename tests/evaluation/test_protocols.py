"""Every benchmark by its own protocol, on miniatures in the official layouts and on a data set in memory."""

from __future__ import annotations

import json
import shutil
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import benchmark_miniatures as videos
import benchmark_miniatures_static as pictures
import numpy as np
import pytest
from PIL import Image
from referring import HEIGHT, InMemory, Knowing, WithVoid
from scipy.optimize import linear_sum_assignment

from vlp_rvos.cli.app import main
from vlp_rvos.data.benchmarks import benchmark_names, open_benchmark
from vlp_rvos.data.benchmarks.referring_dataset import ReferringExpression, ReferringVideo
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.assignment import MAX_PERMUTED, best_assignment
from vlp_rvos.evaluation.davis import boundary_measure, region_similarity, statistics
from vlp_rvos.evaluation.expression_kinds import target_kinds
from vlp_rvos.evaluation.frame_scorer import FrameJob, PackedMasks, make_scorer
from vlp_rvos.evaluation.protocols import FOLDER, PROTOCOLS, Measure, Protocol
from vlp_rvos.evaluation.runner import evaluate_dataset
from vlp_rvos.inference.segmenter import Segmenter


def moved(masks: np.ndarray) -> np.ndarray:
    return np.roll(masks, (2, 3), axis=(1, 2))


# --- expressions -----------------------------------------------------------------------------------------------------


def test_every_benchmark_has_a_protocol() -> None:
    assert set(PROTOCOLS) == set(benchmark_names())


def test_scores_of_expressions() -> None:
    dataset = InMemory()
    scores = evaluate_dataset(dataset, Knowing(dataset, moved))
    report = scores.to_json("d", "m")
    for video in dataset.videos:
        for expression in video.expressions[:5]:
            truths = [dataset.load_mask(video.name, frame, expression) for frame in video.frames]
            pairs = [(moved(truth[None])[0], truth) for truth in truths if truth is not None]
            found = report["videos"][video.name][expression.id]
            assert found["J"] == [region_similarity(*pair) for pair in pairs]
            assert found["F"] == [boundary_measure(*pair) for pair in pairs]
            for measure in "JF":
                expected = statistics(found[measure])._asdict()
                assert {key: found[f"{measure}_{key}"] for key in expected} == expected
        assert report["videos"][video.name]["unknown"]["J_mean"] is None
    every = [e for video in report["videos"].values() for e in video.values() if e["J"]]
    for key in ("J_mean", "J_recall", "J_decay", "F_mean", "F_recall", "F_decay", "J&F"):
        assert scores.metrics[key] == report[key] == pytest.approx(np.mean([e[key] for e in every]))
    assert (report["N_acc"], report["T_acc"]) == (1, 1)
    assert {kind: entry["n"] for kind, entry in report["kinds"].items()} == {
        "one object": 6,
        "several objects": 2,
        "no target": 2,
    }


def test_the_ends_can_be_left_out() -> None:
    dataset = InMemory()
    whole, inner = (
        evaluate_dataset(dataset, Knowing(dataset, moved), protocol=Protocol("", skip_ends=skip)).videos["v0"]["1"].j
        for skip in (False, True)
    )
    assert inner == whole[1:-1]


def test_processes_do_not_change_the_result(tmp_path: Path) -> None:
    dataset = InMemory(number=3)
    results = [
        evaluate_dataset(
            dataset,
            Knowing(dataset, moved),
            output=tmp_path / str(workers),
            workers=workers,
            worst=4,
            protocol=protocol,
        )
        for workers, protocol in ((1, FOLDER), (2, FOLDER))
    ]
    for result in results:
        result.seconds = 0
    assert results[0] == results[1]
    contents = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.png")}
        for folder in (tmp_path / "1", tmp_path / "2")
    ]
    assert contents[0] == contents[1]
    assert len(contents[0]) == 3 * 6 * 4


def test_masks_of_somebody_else(tmp_path: Path) -> None:
    dataset = InMemory()
    predicted = evaluate_dataset(dataset, Knowing(dataset, moved), output=tmp_path / "out", worst=2)
    for workers in (1, 2):
        read = evaluate_dataset(dataset, tmp_path / "out", worst=2, workers=workers)
        assert (read.frames_per_second, read.frames) == (0, 8)
        assert read.metrics == predicted.metrics
        assert read.worst == predicted.worst
        assert read.to_json("d", "m")["videos"]["v0"]["1"]["presence"] is None
    (tmp_path / "out" / "v1" / "2" / "03.png").unlink()
    (tmp_path / "out" / "v1" / "3" / "03.png").unlink()
    with pytest.raises(UserError, match=r"2 of 48 masks are missing in .*out, the first one is v1.2.03\.png"):
        evaluate_dataset(dataset, tmp_path / "out")
    with pytest.raises(UserError, match="no such folder"):
        evaluate_dataset(dataset, tmp_path / "nowhere")


def test_the_worst_cases() -> None:
    dataset = InMemory()
    scores = evaluate_dataset(dataset, Knowing(dataset, moved), worst=3)
    by_score = sorted(
        (means.j_and_f, video, key)
        for video, entries in scores.videos.items()
        for key, entry in entries.items()
        if (means := entry.means)
    )
    assert [(case.video, case.expression) for case in scores.worst] == [row[1:] for row in by_score[:3]]
    case = scores.worst[0]
    video = next(video for video in dataset.videos if video.name == case.video)
    expression = next(x for x in video.expressions if x.id == case.expression)
    wrong = {}
    for frame in video.frames:
        truth = dataset.load_mask(video.name, frame, expression)
        assert truth is not None
        wrong[frame] = int((moved(truth[None])[0] ^ truth).sum())
    assert case.frame == max(wrong, key=lambda frame: wrong[frame])
    truth = dataset.load_mask(case.video, case.frame, expression)
    assert truth is not None
    np.testing.assert_array_equal(case.mask.unpack(), moved(truth[None]))


def test_packed_masks() -> None:
    masks = np.random.default_rng(0).random((3, 7, 5)) < 0.5
    np.testing.assert_array_equal(PackedMasks.pack(masks).unpack(), masks)


def test_kinds_by_target() -> None:
    expressions = [ReferringExpression(str(i), "x", ids) for i, ids in enumerate([(1,), (1, 2), (), None])]
    expressions.append(ReferringExpression("4", "x", (1,), "2_full_video"))
    kinds = target_kinds(ReferringVideo("v", ["0"], expressions))
    assert kinds == ["one object", "several objects", "no target", None, "2_full_video"]


# --- annotators ------------------------------------------------------------------------------------------------------

DAVIS = PROTOCOLS["ref-davis17"]


def plain_davis(labels: np.ndarray, truth: np.ndarray, void: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean J and F of each object by the unsupervised task of DAVIS, written out; all (T, H, W)."""
    table = np.zeros((3, 3, 2, len(truth)))
    for t in range(len(truth)):
        for p in range(3):
            for g in range(3):
                masks = ((labels[t] == p + 1) & ~void[t], (truth[t] == g + 1) & ~void[t])
                table[p, g, :, t] = region_similarity(*masks), boundary_measure(*masks)
    rows, columns = linear_sum_assignment(-table.mean(axis=(2, 3)))
    chosen = table[rows, columns].mean(axis=-1)
    order = np.argsort(columns)
    return chosen[order, 0].tolist(), chosen[order, 1].tolist()


@pytest.mark.parametrize("kind", [InMemory, WithVoid])
def test_objects_of_an_annotator_share_an_image(kind: type[InMemory], tmp_path: Path) -> None:
    dataset = kind(annotators=("1", "2"))

    def shuffled(masks: np.ndarray) -> np.ndarray:
        # The first annotator's expressions are mistaken for one another; the second one's masks are moved.
        return np.concatenate([masks[[1, 2, 0]], moved(masks[3:])])

    scores = evaluate_dataset(dataset, Knowing(dataset, shuffled), protocol=DAVIS, output=tmp_path, worst=1)
    per_annotator = []
    for annotator in ("1", "2"):
        means = []
        for video in dataset.videos:
            files = [tmp_path / annotator / video.name / f"{frame}.png" for frame in video.frames]
            labels = np.stack([np.asarray(Image.open(file)) for file in files])
            truth = dataset.ids[video.name]
            void = np.zeros(truth.shape, bool)
            if isinstance(dataset, WithVoid):
                void = np.stack([dataset.load_void(video.name, frame) for frame in video.frames])
            j, f = plain_davis(labels, truth, void)
            rows = scores.videos[video.name]
            assert [np.mean(rows[f"{i}{annotator}"].j) for i in (1, 2, 3)] == pytest.approx(j)
            assert [np.mean(rows[f"{i}{annotator}"].f) for i in (1, 2, 3)] == pytest.approx(f)
            means += list(zip(j, f, strict=True))
        per_annotator.append(np.mean(means, axis=0))
    expected = np.mean(per_annotator, axis=0)
    metrics = scores.metrics
    assert (metrics["J_mean"], metrics["F_mean"]) == pytest.approx(tuple(expected))
    assert scores.kinds["1"][0].j_and_f == pytest.approx(1)
    as_said = metrics["J&F_as_said"]
    assert as_said is not None
    assert as_said < expected.mean() - 0.2
    assert evaluate_dataset(dataset, tmp_path, protocol=DAVIS).metrics == metrics


def test_the_best_score_gets_the_pixel() -> None:
    dataset = InMemory(annotators=("1",))
    masks = np.zeros((3, HEIGHT, 32), bool)
    masks[0, :10], masks[1, 5:15], masks[2, 9:20] = True, True, True
    job = FrameJob(0, "00", True, PackedMasks.pack(masks), (0.4, 0.9, 0.0))
    scorer = make_scorer(dataset, DAVIS)
    owned = [scorer.mask(job, i)[:, 0].nonzero()[0].tolist() for i in range(3)]
    assert owned == [list(range(5)), list(range(5, 15)), list(range(15, 20))]


def test_an_object_that_nobody_described_counts() -> None:
    dataset = InMemory(number=1, annotators=("1",))
    video = dataset.videos[0]
    dataset.videos = [ReferringVideo(video.name, video.frames, video.expressions[:2])]
    scores = evaluate_dataset(dataset, Knowing(dataset), protocol=DAVIS)
    assert set(scores.videos["v0"]) == {"11", "21", "1:3"}
    assert scores.metrics["J_mean"] == pytest.approx(2 / 3)
    assert scores.metrics["N_acc"] is None


@pytest.mark.parametrize("rows", [3, MAX_PERMUTED + 2])
def test_the_best_assignment(rows: int) -> None:
    scores = np.random.default_rng(0).random((rows, 3))
    chosen = best_assignment(scores)
    assert len(set(chosen)) == 3
    expected = scores[linear_sum_assignment(-scores)].sum()
    assert scores[chosen, range(3)].sum() == pytest.approx(expected)


def test_an_annotator_s_expression_of_two_objects_is_refused() -> None:
    dataset = InMemory(number=1)
    with pytest.raises(UserError, match="must refer to one object"):
        evaluate_dataset(dataset, Knowing(dataset), protocol=DAVIS)


# --- the official layouts, from the command line ---------------------------------------------------------------------

MINIATURES: dict[str, Callable[[Path], Path]] = {
    "ref-youtube-vos": videos.ref_youtube_vos,
    "ref-davis17": videos.ref_davis17,
    "mevis": videos.mevis,
    "a2d-sentences": pictures.write_a2d,
    "jhmdb-sentences": pictures.write_jhmdb,
    "refcoco": pictures.write_refcoco,
}


def evaluate(monkeypatch: pytest.MonkeyPatch, name: str, folder: Path, split: str, *options: object) -> int:
    dataset = open_benchmark(name, folder, split)
    model = types.SimpleNamespace(segment=Knowing(dataset))
    monkeypatch.setattr(Segmenter, "from_pretrained", lambda *_: model)
    return main(["evaluate", name, str(folder), "--split", split, *map(str, options)])


@pytest.mark.parametrize(
    ("name", "split", "expected"),
    [
        ("ref-youtube-vos", "train", {"J&F": 1, "J_recall": 1, "J_decay": 0, "T_acc": 1}),
        ("ref-davis17", "val", {"J&F": 1, "J&F_as_said": 1}),
        ("mevis", "valid_u", {"J&F": 1, "N_acc": 1, "T_acc": 1}),
        ("a2d-sentences", "test", {"mAP@0.5:0.95": 1, "P@0.9": 1, "overall_iou": 1, "mean_iou": 1}),
        ("jhmdb-sentences", "test", {"mAP@0.5:0.95": 1, "AP@0.5": 1, "mean_iou": 1}),
        ("refcoco", "val", {"overall_iou": 1, "mean_iou": 1, "P@0.5": 1}),
    ],
)
def test_who_knows_the_truth_scores_full(
    name: str,
    split: str,
    expected: dict[str, float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = MINIATURES[name](tmp_path / "data")
    out, files = tmp_path / "out", [tmp_path / f"scores.{kind}" for kind in ("json", "csv", "html")]
    options = ["-o", out, "--json", files[0], "--csv", files[1], "--html", files[2]]
    assert evaluate(monkeypatch, name, folder, split, *options) == 0, capsys.readouterr().err
    report = json.loads(files[0].read_text())
    assert (report["benchmark"], report["split"]) == (name, split)
    assert {key: report["metrics"][key] for key in expected} == pytest.approx(expected)
    assert ("mAP@0.5:0.95" in report["metrics"]) == (PROTOCOLS[name].measure is Measure.precision)
    dataset = open_benchmark(name, folder, split)
    rows = sum(len(video.expressions) for video in dataset.videos)
    assert len(files[1].read_text().splitlines()) == 1 + rows
    assert "data:image/jpeg" in files[2].read_text()
    assert next(iter(expected)) in capsys.readouterr().out
    if PROTOCOLS[name].in_pictures:
        coco = [str(out / file) for file in ("ground_truth.json", "predictions.json")]
        assert main(["evaluate", "rle", *coco, "--json", str(tmp_path / "rle.json")]) == 0
        again = json.loads((tmp_path / "rle.json").read_text())
        assert report["metrics"].items() <= again.items()
    if PROTOCOLS[name].measure is not Measure.precision:
        assert main(["evaluate", name, str(folder), "--split", split, "--pred", str(out), "--json", str(files[0])]) == 0
        assert json.loads(files[0].read_text())["metrics"] == report["metrics"]
    else:
        assert main(["evaluate", name, str(folder), "--pred", str(out)]) == 2
        assert "use vlp-rvos evaluate rle" in capsys.readouterr().err


def test_only_frames_where_the_instance_is_annotated_are_samples(tmp_path: Path) -> None:
    dataset = open_benchmark("a2d-sentences", pictures.write_a2d(tmp_path), "test")
    scores = evaluate_dataset(dataset, Knowing(dataset), protocol=PROTOCOLS["a2d-sentences"])
    annotated = pictures.A2D_VIDEOS["testVideo-2"][2]
    expected = {
        (video.name, x.id, f"{frame:05}")
        for video in dataset.videos
        for x in video.expressions
        for frame, there in annotated.items()
        if set(x.object_ids or ()) & set(there)
    }
    assert set(scores.samples) == expected
    assert scores.frames == 10


def test_masks_of_almost_the_right_size_are_fitted_for_a2d_only() -> None:
    dataset = InMemory(number=1)

    def larger(masks: np.ndarray) -> np.ndarray:
        return np.pad(masks, ((0, 0), (0, 1), (0, 0)))

    scores = evaluate_dataset(dataset, Knowing(dataset, larger), protocol=Protocol("", Measure.precision, resize=True))
    assert scores.metrics["mean_iou"] == pytest.approx(0.9, abs=0.1)
    with pytest.raises(UserError, match="the predicted mask is 32x25, but the annotation 32x24"):
        evaluate_dataset(dataset, Knowing(dataset, larger))


def test_a_split_without_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = videos.mevis(tmp_path / "data")
    assert evaluate(monkeypatch, "mevis", folder, "valid") == 2
    assert "nothing can be scored" in capsys.readouterr().err
    assert evaluate(monkeypatch, "mevis", folder, "valid", "-o", tmp_path / "out", "--json", tmp_path / "s.json") == 0
    assert "not scored" in capsys.readouterr().out
    assert json.loads((tmp_path / "s.json").read_text())["metrics"]["J&F"] is None
    assert len(list((tmp_path / "out").rglob("*.png"))) == 3 * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mevis", "DATA", "--pred", "X", "-o", "Y"], "leave out --output"),
        (["mevis", "DATA", "--split", "test"], "mevis has no split 'test'"),
        (["mevis", "NOWHERE"], "NOWHERE"),
        (["mevis", "DATA", "--set", "attention"], "write key=value"),
        (["nobody", "DATA"], "nobody"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = videos.mevis(tmp_path / "data")
    arguments = [str(folder) if argument == "DATA" else argument for argument in arguments]
    assert main(["evaluate", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_a_mask_that_goes_missing_is_found_before_anything_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = videos.mevis(tmp_path / "data")
    assert evaluate(monkeypatch, "mevis", folder, "valid_u", "-o", tmp_path / "out") == 0
    shutil.rmtree(tmp_path / "out" / "9f429af409c9" / "1")
    capsys.readouterr()
    assert main(["evaluate", "mevis", str(folder), "--pred", str(tmp_path / "out")]) == 2
    assert "4 of 12 masks are missing" in capsys.readouterr().err


def test_every_metric_is_json(tmp_path: Path) -> None:
    dataset = open_benchmark("refcoco", pictures.write_refcoco(tmp_path), "val")
    metrics: dict[str, Any] = evaluate_dataset(dataset, Knowing(dataset), protocol=PROTOCOLS["refcoco"]).metrics
    assert list(metrics) == ["P@0.5", "P@0.6", "P@0.7", "P@0.8", "P@0.9", "overall_iou", "mean_iou"]
    assert all(type(value) is float for value in metrics.values())
