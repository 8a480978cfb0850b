"""Models for Vosk that hear whether somebody speaks: Kaldi's real files, a few kilobytes.

The acoustic model is one affine layer on the loudness of a frame. The graph speaks the words of a script in turn: each
stretch of sound is the next word, and behind the last one comes the first again. The speaker model makes a vector of
how much each band's loudness changes over an utterance.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

_CEPSTRA = 13
_MFCC = f"""--sample-frequency=16000
--use-energy=false
--num-mel-bins=23
--num-ceps={_CEPSTRA}
--low-freq=20
--high-freq=-400
"""
_CONF = """--min-active=20
--max-active=300
--beam=10.0
--lattice-beam=2.0
--acoustic-scale=1.0
--frame-subsampling-factor=3
--endpoint.silence-phones=1
--endpoint.rule2.min-trailing-silence=0.5
--endpoint.rule3.min-trailing-silence=1.0
--endpoint.rule4.min-trailing-silence=2.0
"""

_LOUD = 60.0
"""The first cepstral coefficient of a frame that is as likely speech as silence: noise of 10 units is below it, a voice
of 1,000 far above."""

_WORD_COST = 4.0
"""What another word costs: a dip in the loudness of one word does not make it two."""

_TRANSITIONS = """<TransitionModel>
<Topology>
<TopologyEntry>
<ForPhones>
1 2
</ForPhones>
<State> 0 <PdfClass> 0 <Transition> 0 0.5 <Transition> 1 0.5 </State>
<State> 1 </State>
</TopologyEntry>
</Topology>
<Triples> 2
1 0 0
2 0 1
</Triples>
<LogProbs>
 [ 0 -0.6931472 -0.6931472 -0.6931472 -0.6931472 ]
</LogProbs>
</TransitionModel>
"""
_NETWORK = "<Nnet3> \n"
"""How a network begins: without the blank its reader does not see the line's end."""

_SILENCE_LOOP, _SILENCE, _SOUND_LOOP, _SOUND = 1, 2, 3, 4
"""Transition ids of phone 1 (silence) and phone 2 (sound): staying in it, and its first frame."""


def build(folder: Path, words: Sequence[str] = ("speech",)) -> Path:
    """Write a model that speaks `words` into `folder`, which is made."""
    for part in ("am", "conf", "graph/phones"):
        (folder / part).mkdir(parents=True)
    (folder / "conf/mfcc.conf").write_text(_MFCC)
    (folder / "conf/model.conf").write_text(_CONF)
    names = ["<eps>", *dict.fromkeys(words), "#0"]
    (folder / "graph/words.txt").write_text("".join(f"{name} {i}\n" for i, name in enumerate(names)), encoding="utf-8")
    (folder / "graph/phones/word_boundary.int").write_text("1 nonword\n2 singleton\n")
    (folder / "graph/disambig_tid.int").write_text("")
    (folder / "am/final.mdl").write_text(_TRANSITIONS + _acoustic())
    (folder / "graph/HCLG.fst").write_bytes(_graph([names.index(word) for word in words]))
    return folder


def build_speaker(folder: Path) -> Path:
    """Write a speaker model into `folder`, which is made."""
    folder.mkdir(parents=True)
    (folder / "mfcc.conf").write_text(_MFCC)
    inputs, statistics = 2 * _CEPSTRA + 1, 2 * _CEPSTRA
    (folder / "final.ext.raw").write_text(
        f"""{_NETWORK}input-node name=input dim={_CEPSTRA}
component-node name=sums component=sums input=input
component-node name=spread component=spread input=sums
output-node name=output input=spread

<NumComponents> 2
<ComponentName> sums <StatisticsExtractionComponent> <InputDim> {_CEPSTRA} <InputPeriod> 1 <OutputPeriod> 1 """
        f"""<IncludeVarinance> T </StatisticsExtractionComponent>
<ComponentName> spread <StatisticsPoolingComponent> <InputDim> {inputs} <InputPeriod> 1 <LeftContext> 0 """
        """<RightContext> 10000 <NumLogCountFeatures> 0 <OutputStddevs> T <VarianceFloor> 1e-10 """
        """</StatisticsPoolingComponent>
</Nnet3>
"""
    )
    (folder / "mean.vec").write_text(_vector([0.0] * statistics))
    # The means were taken away before: what is left of an utterance is how much each coefficient changes.
    rows = [[float(column == _CEPSTRA + row) for column in range(statistics)] for row in range(_CEPSTRA)]
    (folder / "transform.mat").write_text(" [\n" + "\n".join(" ".join(map(str, row)) for row in rows) + " ]\n")
    return folder


def _vector(values: Sequence[float]) -> str:
    return f" [ {' '.join(map(str, values))} ]\n"


def _acoustic() -> str:
    """A network of one layer: the louder a frame, the likelier sound, the less likely silence."""
    rows = "\n".join(" ".join(map(str, [weight] + [0] * (_CEPSTRA - 1))) for weight in (-0.5, 0.5))
    return f"""{_NETWORK}input-node name=input dim={_CEPSTRA}
component-node name=affine component=affine input=input
output-node name=output input=affine objective=linear

<NumComponents> 1
<ComponentName> affine <FixedAffineComponent> <LinearParams> [
{rows} ]
<BiasParams>{_vector([0.5 * _LOUD, -0.5 * _LOUD])}</FixedAffineComponent> </Nnet3>
<LeftContext> 0 <RightContext> 0 <Priors> [ ]
"""


def _graph(labels: Sequence[int]) -> bytes:
    """The script as a circle: state 0, then a state of silence and one of sound for each word."""
    quiet = [1 + 2 * i for i in range(len(labels))]
    arcs: list[list[tuple[int, int, float, int]]] = [[(_SILENCE, 0, 0.0, 1), (_SOUND, labels[0], _WORD_COST, 2)]]
    for i, label in enumerate(labels):
        following = quiet[(i + 1) % len(labels)]
        arcs.append([(_SILENCE_LOOP, 0, 0.0, quiet[i]), (_SOUND, label, _WORD_COST, quiet[i] + 1)])
        arcs.append([(_SOUND_LOOP, 0, 0.0, quiet[i] + 1), (_SILENCE, 0, 0.0, following)])
    out = struct.pack("<i", 2125659606) + _string("vector") + _string("standard")
    out += struct.pack("<iiQqqq", 2, 0, 0x3, 0, len(arcs), sum(map(len, arcs)))
    for leaving in arcs:
        out += struct.pack("<fq", 0.0, len(leaving))
        for taken, spoken, cost, state in leaving:
            out += struct.pack("<iifi", taken, spoken, cost, state)
    return out


def _string(text: str) -> bytes:
    return struct.pack("<i", len(text)) + text.encode()
