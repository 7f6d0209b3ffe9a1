"""A figure's numbers are read off the plot: marks, the ends of their bars, columns, names of places."""

import csv

from sslrepro.report.plots import csv_of, new_plot


def lines(plot):
    return list(csv.DictReader(csv_of(plot).splitlines()))


def test_marks_with_bars_and_plain_lines():
    plot, axis = new_plot(size=(4, 3))
    axis.set_title("accuracy")
    axis.errorbar([1, 2], [3.0, 5.0], [0.5, 1.0], xerr=[0.25, 0.25], capsize=2, label="ours")
    axis.plot([7.0], [8.0], label="paper")
    axis.axhline(4.0)  # no number of the table
    rows = lines(plot)
    assert [(row["series"], row["x"], row["y"]) for row in rows] == [
        ("ours", "1.0", "3.0"),
        ("ours", "2.0", "5.0"),
        ("paper", "7.0", "8.0"),
    ]
    assert rows[1] == {
        "panel": "accuracy",
        "series": "ours",
        "x": "2.0",
        "y": "5.0",
        "x_low": "1.75",
        "x_high": "2.25",
        "y_low": "4.0",
        "y_high": "6.0",
    }


def test_columns_with_the_names_of_their_places():
    plot, axis = new_plot(size=(4, 3))
    axis.barh([0, 1], [3.0, 4.0], xerr=[1.0, 2.0])
    axis.set_yticks([0, 1], ["nnclr", "simclr"])
    assert [(row["x"], row["y"], row["x_low"], row["x_high"]) for row in lines(plot)] == [
        ("3.0", "nnclr", "2.0", "4.0"),
        ("4.0", "simclr", "2.0", "6.0"),
    ]
