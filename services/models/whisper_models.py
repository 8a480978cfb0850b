"""The Whisper models that faster-whisper runs, and the languages that they understand."""

from __future__ import annotations

from services.models.entry import Hub, ModelEntry

WHISPER_LANGUAGES = tuple(
    """
    en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy
    sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo
    uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su
    """.split()
)
"""The 99 languages of the first Whisper models by its own codes, in the order of its training data, the largest first
(`jw` is Javanese, `haw` Hawaiian; the others are ISO 639-1)."""

_WITH_CANTONESE = (*WHISPER_LANGUAGES, "yue")
"""What the models of the third generation understand."""

_ENGLISH = ("en",)

_FIRST = ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")
_THIRD = ("model.bin", "config.json", "preprocessor_config.json", "tokenizer.json", "vocabulary.json")
"""The files of a converted model, of the first generations and of the third; the distilled ones are like the third."""


def _systran(
    name: str, revision: str, sha256: str, size_mb: int, memory_mb: int, languages: tuple[str, ...] = ()
) -> ModelEntry:
    """A model as the makers of faster-whisper converted it."""
    family = "distil-whisper" if name.startswith("distil-") else "whisper"
    repository = f"Systran/faster-{family}-{name.removeprefix('distil-')}"
    files = _THIRD if "v3" in name else _FIRST
    return ModelEntry(name, Hub(repository, revision, files, sha256), size_mb, memory_mb, languages, "MIT")


WHISPER_MODELS = (
    _systran(
        "base",
        "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        148,
        280,
    ),
    _systran(
        "base.en",
        "3d3d5dee26484f91867d81cb899cfcf72b96be6c",
        "2a166925539a16005f14ff328359f9b9adb9dc4fb631bb3b227526862e93e2ef",
        148,
        280,
        _ENGLISH,
    ),
    _systran(
        "tiny",
        "d90ca5fe260221311c53c58e660288d3deb8d356",
        "dcb76c6586fc06cbdac6dd21f14cfd129cc4cdd9dce19bf4ffa62e59cbe6e6d1",
        78,
        230,
    ),
    _systran(
        "tiny.en",
        "0d3d19a32d3338f10357c0889762bd8d64bbdeba",
        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        78,
        230,
        _ENGLISH,
    ),
    _systran(
        "small",
        "536b0662742c02347bc0e980a01041f333bce120",
        "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671",
        486,
        540,
    ),
    _systran(
        "small.en",
        "d1d751a5f8271d482d14ca55d9e2deeebbae577f",
        "62b2a45b05ee59acb4a5341b33ee35e041395d378d418a18acfe4c9e768ee37a",
        486,
        540,
        _ENGLISH,
    ),
    _systran(
        "medium",
        "08e178d48790749d25932bbc082711ddcfdfbc4f",
        "9b45e1009dcc4ab601eff815b61d80e60ce3fd8c74c1a14f4a282258286b51ae",
        1531,
        1100,
    ),
    _systran(
        "medium.en",
        "a29b04bd15381511a9af671baec01072039215e3",
        "11b220779aea4c6f3ce9d2549c8a95ea869ed84066864b999531ef53e594fe5b",
        1530,
        1100,
        _ENGLISH,
    ),
    _systran(
        "large-v3",
        "edaa852ec7e145841d8ffdb056a99866b5f0a478",
        "69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1",
        3091,
        1500,
        _WITH_CANTONESE,
    ),
    ModelEntry(
        "large-v3-turbo",
        # Systran has none; faster-whisper takes this one for `turbo`, under the name that its owner had before.
        Hub(
            "dropbox-dash/faster-whisper-large-v3-turbo",
            "0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf",
            _THIRD,
            "e76620f83d5f5b69efd3d87e3dc180c1bd21df9fbebacfd4335e5e1efcc018da",
        ),
        1622,
        1200,
        _WITH_CANTONESE,
        "MIT",
    ),
    _systran(
        "distil-large-v3",
        "c3058b475261292e64a0412df1d2681c06260fab",
        "b79368e19b6623813609431a6e5ee309a71506701ebc49fd7820e692dec7c5f5",
        1516,
        1100,
        _ENGLISH,
    ),
)
"""The default first, then by size. The memory is with weights of 8 bits: measured for tiny, base and small (models of
their shape with a script, a beam of 5, 2 cores), estimated for the others."""
