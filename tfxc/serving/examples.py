"""Predictions as people read them."""

from tfxc.serving.query_texts import query_texts

SHOWN = 300  # characters of a query


def readable_examples(sample, split, label_names):
    """Names instead of numbers, for a report.

    Args:
        sample: `tfxc.metrics.Sample`.
        split: The `tfxc.data.Split` that it was taken from.
        label_names: `tfxc.data.Texts`.

    Returns:
        One dictionary per query that has relevant labels: `{"query": text,
        "relevant": [name, ...], "predicted": [{"name", "score", "hit"}, ...]}`,
        best label first.
    """
    examples = []
    for row, ids, scores in zip(
        sample.rows.tolist(), sample.ids, sample.scores, strict=True
    ):
        relevant = split.relevant[row].tolist()
        if not relevant:
            continue
        [query] = query_texts(split.queries, row, row + 1)
        predicted = [
            {"name": label_names[i], "score": score, "hit": i in relevant}
            for i, score in zip(ids.tolist(), scores.tolist(), strict=True)
            if i >= 0
        ]
        examples.append(
            {
                "query": shorten(query.decode("utf-8", "replace")),
                "relevant": [label_names[i] for i in relevant],
                "predicted": predicted,
            }
        )
    return examples


def shorten(text):
    """At most 300 characters of `text`, and an ellipsis for the rest."""
    return text if len(text) <= SHOWN else text[:SHOWN].rstrip() + "…"
