"""How well scores rank the rows of each query.

numpy is imported by the functions that need it. Arrays are one-dimensional, of equal length.
"""

from typing import Any


def ndcg_of(truth: Any, score: Any, query: Any) -> tuple[Any, Any]:
    """Return the normalized discounted cumulative gain of each query, and the query of each row.

    truth: (n,) relevance, at least 0; score: (n,) numbers, higher for what comes first
    query: (n,) values that say which query a row is of

    Of a query whose rows have relevance r at rank k from 1, the gain is sum(r / log2(k + 1)), as a
    share of that of the best order (Järvelin and Kekäläinen 2002, "Cumulated gain-based evaluation
    of IR techniques"); equal scores share their ranks (McSherry and Najork 2008). It is NaN where
    nothing is relevant.

    >>> import numpy as np
    >>> ndcg_of(np.array([0, 1, 2, 1]), np.array([3, 2, 1, 5]), np.array([7, 7, 7, 8]))[0].round(3)
    array([0.62, 1.  ])
    """
    import numpy as np

    _, places = np.unique(query, return_inverse=True)
    truth, score = np.asarray(truth, float), np.asarray(score, float)
    gained, best = _gain(truth, score, places), _gain(truth, truth, places)
    return np.divide(gained, best, out=np.full(len(best), np.nan), where=best > 0), places


def constant(truth: Any, query: Any) -> float:
    """Return the mean over queries of which a row is relevant, if all scores are equal."""
    import numpy as np

    return float(np.nanmean(ndcg_of(truth, np.zeros(len(truth)), query)[0]))


def _gain(truth: Any, score: Any, places: Any) -> Any:
    import numpy as np

    number = int(places.max(initial=-1)) + 1
    order = np.lexsort((-score, places))
    query, scores = places[order], score[order]
    starts = np.searchsorted(query, np.arange(number))
    discount = 1 / np.log2(np.arange(len(query)) - starts[query] + 2)
    is_new = np.ones(len(query), bool)
    is_new[1:] = (query[1:] != query[:-1]) | (scores[1:] != scores[:-1])
    tie = np.cumsum(is_new) - 1
    shared = (np.bincount(tie, discount) / np.maximum(np.bincount(tie), 1))[tie]
    return np.bincount(query, truth[order] * shared, minlength=number)
