"""Linear classifiers of other packages, on TF-IDF of word uni- and bigrams.

    python benchmarks/peers/linear.py --data ../shared/data --dataset cooking

Runs in an environment of its own, see `linear.txt`; `run.py` makes it. Peers
have their packages' defaults but for a fixed seed. Memory is the peak of the
process so far, so `run.py` starts one process for each.

centroid           a label is the direction of the mean of its training rows
pecos-xrlinear     PECOS: tree of linear classifiers, beam of 10
napkinxc-plt       napkinXC: probabilistic label tree, exact search
one-vs-rest-svm    scikit-learn: one linear SVM for each label
"""

import argparse
import pathlib
import tempfile
import time

import numpy as np
import scipy.sparse
from peer_files import (
    OUTPUT,
    TOP,
    best_of_dense,
    read_labels,
    read_split,
    write_peer,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

BLOCK = 512  # queries whose scores of all labels are held at once


def main():
    options = parse()
    folder = options.data / options.dataset
    train, relevant = read_split(folder / "trn.json.gz")
    test, _ = read_split(folder / "tst.json.gz")
    targets = label_matrix(relevant, len(read_labels(folder)))
    print(f"{len(train):,} training and {len(test):,} test queries", flush=True)
    start = time.perf_counter()
    train, test = features(train, test)
    features_s = round(time.perf_counter() - start, 2)
    print(f"{train.shape[1]:,} features in {features_s} s", flush=True)
    for name in options.only or options.peers:
        measure(name, train, targets, test, features_s, options.output)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--dataset", choices=DATASETS, required=True)
    parser.add_argument("--only", choices=PEERS, nargs="+", metavar="NAME")
    parser.add_argument("--output", type=pathlib.Path, help="of predictions")
    options = parser.parse_args()
    options.peers = DATASETS[options.dataset]
    if options.output is None:
        options.output = OUTPUT / options.dataset
    return options


def features(train, test):
    """TF-IDF of both splits, fitted on the training split alone."""
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32
    )
    return vectorizer.fit_transform(train), vectorizer.transform(test)


def label_matrix(relevant, num_labels):
    """Lists of labels as a sparse matrix of ones: `[rows, labels]`."""
    counts = [len(labels) for labels in relevant]
    ids = np.concatenate(relevant)
    splits = np.concatenate([[0], np.cumsum(counts)])
    ones = np.ones(len(ids), np.float32)
    shape = len(relevant), num_labels
    return scipy.sparse.csr_matrix((ones, ids, splits), shape)


def measure(name, train, targets, test, features_s, output):
    """Trains a peer, predicts the whole test split, and writes both."""
    fit, packages = PEERS[name]
    print(f"{name}: training", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        predict = fit(train, targets, folder)
        trained = time.perf_counter()
        print(f"{name}: predicting", flush=True)
        predicted = predict(test)
        end = time.perf_counter()
    ids, scores = ranked(predicted)
    figures = {
        "train_s": round(trained - start, 2),
        "predict_s": round(end - trained, 2),
        "features_s": features_s,
    }
    packages = (*packages, "scikit-learn", "scipy", "numpy")
    write_peer(output, name, ids, scores, packages, figures)


def centroid(train, targets, folder):
    """Scores are cosines; labels that share no feature are not predicted."""
    columns = normalize(targets.T @ train).T.tocsr()  # [features, labels]

    def score(queries):
        scores = (queries @ columns).toarray()
        return np.where(scores > 0, scores, -np.inf)

    return lambda queries: in_blocks(score, queries)


def pecos_xrlinear(train, targets, folder):
    """Labels are clustered by the mean features of their rows (PIFA)."""
    from pecos.xmc import Indexer, LabelEmbeddingFactory
    from pecos.xmc.xlinear.model import XLinearModel

    embedding = LabelEmbeddingFactory.create(targets, train, method="pifa")
    chain = Indexer.gen(embedding, indexer_type="hierarchicalkmeans", seed=0)
    model = XLinearModel.train(train, targets, C=chain)
    return lambda queries: model.predict(queries, only_topk=TOP, beam_size=10)


def napkinxc_plt(train, targets, folder):
    """Writes its model to `folder`, and predicts from it."""
    from napkinxc.models import PLT

    model = PLT(folder, seed=0)
    model.fit(train, targets)
    return lambda queries: model.predict_proba(queries, top_k=TOP)


def one_vs_rest_svm(train, targets, folder):
    """Labels without a training row have no classifier, and are left out.

    scikit-learn would score them 0, which is above most of the others.
    """
    import joblib
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import LinearSVC

    seen = np.flatnonzero(targets.getnnz(axis=0))
    model = OneVsRestClassifier(LinearSVC(random_state=0), n_jobs=-1)
    with joblib.parallel_config("threading"):
        model.fit(train, targets[:, seen])

    def score(queries):
        shape = queries.shape[0], targets.shape[1]
        scores = np.full(shape, -np.inf, np.float32)
        scores[:, seen] = model.decision_function(queries)
        return scores

    return lambda queries: in_blocks(score, queries)


def in_blocks(score, queries):
    """The best labels by `score(queries)`, `[q, L]`, block by block."""
    best = []
    for start in range(0, queries.shape[0], BLOCK):
        best.append(best_of_dense(score(queries[start : start + BLOCK])))
        if start // BLOCK % 10 == 9:
            print(f"{start + BLOCK:,} queries predicted", flush=True)
    ids, scores = zip(*best, strict=True)
    return np.concatenate(ids), np.concatenate(scores)


def ranked(predicted):
    """Ids and scores from what a package returns: its own form, untimed."""
    if scipy.sparse.issparse(predicted):  # PECOS
        predicted = predicted.tocsr()
        pairs = [zip(row.indices, row.data, strict=True) for row in predicted]
    elif isinstance(predicted, list):  # napkinXC
        pairs = predicted
    else:
        return predicted
    ids = np.full((len(pairs), TOP), -1, np.int32)
    scores = np.full((len(pairs), TOP), -np.inf, np.float32)
    for row, labels in enumerate(pairs):
        labels = sorted(labels, key=lambda pair: -pair[1])
        for place, (label, score) in enumerate(labels):
            ids[row, place], scores[row, place] = label, score
    return ids, scores


PEERS = {
    "centroid": (centroid, ()),
    "pecos-xrlinear": (pecos_xrlinear, ("libpecos",)),
    "napkinxc-plt": (napkinxc_plt, ("napkinxc",)),
    "one-vs-rest-svm": (one_vs_rest_svm, ()),
}
DATASETS = {
    "yso-finna-en": ("centroid", "pecos-xrlinear", "napkinxc-plt"),
    "cooking": tuple(PEERS),
}


if __name__ == "__main__":
    main()
