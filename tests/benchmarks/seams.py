"""What cutting in speech does to the words of a reading: windows cut anywhere, with and without an overlap that is
sewn.

    python -m tests.benchmarks.seams [--seeds N]

The reference are windows cut in silence by the same engine. `lost` and `doubled` are counted at the seams
(tests/seamset.py); `dropped` are those lost words that one of the two windows had. `elsewhere` is how many words go
lost within so many words away from any seam, because the engine understands each window a little differently.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from services.models.options import EngineOptions
from services.transcription.moonshine import Moonshine
from tests import seamset, speechset

_LENGTHS = (5.0, 8.0, 11.0, 14.0)
_OVERLAPS = (0.0, 2.0)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.seams")
    parser.add_argument("--seeds", type=int, default=2, help="how often each length is cut anew")
    seeds = parser.parse_args(arguments).seeds
    root = speechset.folder()
    if root is None:
        print("The speech set is not there: set SOTTO_SPEECH.")
        return 1
    reading = seamset.reading(root)
    engine = Moonshine("tiny-en", EngineOptions())
    engine.load()
    silence = seamset.tell(seamset.cut_in_silence(reading, engine.policy), engine)
    errors = speechset.word_errors(reading.said, silence.words) / len(reading.said)
    print(f"{reading.seconds / 60:.1f} min, {len(reading.said)} words, word error rate cut in silence {errors:.1%}\n")
    print("longest overlap seed  seams doubled  lost dropped elsewhere  errors")
    for longest in _LENGTHS:
        for overlap in _OVERLAPS:
            policy = replace(engine.policy, longest=longest, overlap=overlap)
            for seed in range(seeds):
                told = seamset.tell(seamset.cut_anywhere(reading, policy, seed), engine)
                harm = seamset.damage(reading.said, silence.words, told)
                elsewhere = harm.lost_elsewhere * harm.near
                print(
                    f"{longest:5.0f} s {overlap:5.1f} s {seed:4} {harm.seams:6} {harm.doubled:7} {harm.lost:5}"
                    f" {harm.dropped:7} {elsewhere:9.1f} {harm.errors:7.1%}",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
