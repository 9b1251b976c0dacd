"""Charts of J over the frames."""

from __future__ import annotations

from vlp_rvos.evaluation.report_charts import MAX_POINTS, MEAN_POINTS, colour_of, make_chart, mean_curve


def points_of(curve: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (point.split(",") for point in curve.split())]


def test_curves_go_from_left_to_right_and_from_0_to_1() -> None:
    chart = make_chart([("rising", [0.0, 0.5, 1.0]), ("short", [1.0, 1.0])], "start", "end")
    rising, short = (points_of(curve.points) for curve in chart.curves)
    assert [x for x, _ in rising] == [chart.left, (chart.left + chart.right) / 2, chart.right]
    lines = {line.label: float(line.y) for line in chart.grid}
    assert [y for _, y in rising] == [lines["0"], lines["0.5"], lines["1"]]
    assert lines["0"] > lines["1"]
    assert short == [(chart.left, lines["1"]), (rising[1][0], lines["1"])]


def test_a_single_frame_is_a_point() -> None:
    chart = make_chart([("one", [1.0])], "", "")
    assert [x for x, _ in points_of(chart.curves[0].points)] == [chart.left]


def test_long_curves_are_thinned() -> None:
    chart = make_chart([("long", [0.5] * 100_000)], "", "")
    assert len(points_of(chart.curves[0].points)) <= MAX_POINTS


def test_curves_of_one_colour_differ_in_their_line() -> None:
    chart = make_chart([(str(i), [0.5]) for i in range(10)], "", "")
    looks = [(curve.colour, curve.is_dashed) for curve in chart.curves]
    assert len(set(looks)) == 10
    assert looks[8] == (colour_of(0), True)


def test_a_mean_curve_goes_from_start_to_end() -> None:
    curve = mean_curve([[0.0, 0.5, 1.0], [1.0] * 7])
    assert len(curve) == MEAN_POINTS
    assert (curve[0], curve[-1]) == (0.5, 1.0)
    assert curve == sorted(curve)
    assert mean_curve([[0.25]]) == [0.25] * MEAN_POINTS
