from __future__ import annotations

from clips import noise
from segmenters import WORDS, same_results
from stubs import tiny_model

from vlp_rvos import Segmenter
from vlp_rvos.batch.text_cache import KEPT, TextCache
from vlp_rvos.runtimes.torch_runtime import TorchRuntime


def test_expressions_are_encoded_once() -> None:
    runtime = TorchRuntime(tiny_model())
    calls: list[tuple[str, ...]] = []
    encode = runtime.encode_text
    runtime.encode_text = lambda texts: (calls.append(tuple(texts)), encode(texts))[1]  # type: ignore[method-assign]
    cached = Segmenter(TextCache(runtime))
    results = [list(cached.segment(noise(4), WORDS)) for _ in range(2)]
    assert calls == [tuple(WORDS)]
    plain = list(Segmenter(tiny_model()).segment(noise(4), WORDS))
    assert all(same_results(plain, one) for one in results)
    for i in range(KEPT):
        cached.start(str(i))
    cached.start(WORDS)
    assert calls.count(tuple(WORDS)) == 2
