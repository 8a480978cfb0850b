"""The models of Vosk that sotto knows by name: a small one per language, a standard one where there is one, and `spk`.

Their publisher tells no checksums. These are what recipes of several packagers agree on; a standard model of which none
was found is left out, and can be given by path.
"""

from __future__ import annotations

from services.models.entry import Archive, ModelEntry

SPEAKER_MODEL = "spk"
"""Tells voices apart, whatever is said and in whatever language. Transcribes nothing; lies beside the others."""

_SMALL_MEMORY_MB = 500
_STANDARD_MEMORY_MB = 1800
_SPEAKER_MEMORY_MB = 50


def _model(
    name: str, version: str, sha256: str, size_mb: int, memory_mb: int, languages: tuple[str, ...]
) -> ModelEntry:
    """A model of the publisher's list, in its version there."""
    origin = Archive(f"https://alphacephei.com/vosk/models/vosk-model-{version}.zip", sha256)
    return ModelEntry(name, origin, size_mb, memory_mb, languages, "Apache-2.0")


def _small(code: str, version: str, sha256: str, size_mb: int) -> ModelEntry:
    return _model(f"small-{code}", f"small-{version}", sha256, size_mb, _SMALL_MEMORY_MB, (code,))


def _standard(code: str, version: str, sha256: str, size_mb: int) -> ModelEntry:
    return _model(f"standard-{code}", version, sha256, size_mb, _STANDARD_MEMORY_MB, (code,))


VOSK_MODELS = (
    _small("en", "en-us-0.15", "30f26242c4eb449f948e42cb302dd7a686cb29a3423a8367f99ff41780942498", 41),
    _small("de", "de-0.15", "b7e53c90b1f0a38456f4cd62b366ecd58803cd97cd42b06438e2c131713d5e43", 46),
    _small("fr", "fr-0.22", "cabf6180e177eb9b3a9a9d43a437bd5e549f3a7d09525e5d69a3fed787be12ad", 42),
    _small("es", "es-0.42", "09b239888f633ef2f0b4e09736e3d9936acfd810bc65d53fad45261762c6511f", 40),
    _small("it", "it-0.22", "9ec65e75861d1c6c2e457cccd932705340dcdf233f5b239f00733b4de0bf3267", 50),
    _small("nl", "nl-0.22", "039811c3b829de64e4f123a9f684a53784005b212a346ac0b899dc7efce2ed0a", 40),
    _small("pt", "pt-0.3", "6e1ce909032e1afa7a88e68a3d628ecafff302bdf195befab308826c395e93b7", 32),
    _small("pl", "pl-0.22", "c4cd16498ea544f446f9e9a55cbd602b71cfe5a2b6f2b0834d81e1b6fce15f0d", 53),
    _small("cs", "cs-0.4-rhasspy", "287c3bbefc8ad67b4ab9636eecef3d62acc3719990777d03e226db5a7f19fbda", 46),
    _small("ca", "ca-0.4", "99f90bfff5c2b187c705ddbc20aaa2600eddc359466f404404f1db6029fba5d4", 43),
    _small("ru", "ru-0.22", "961d5ff98a17f4aa6de69864d0aa71fa5bac682301d2b5d17a3f24c5c99a46d4", 46),
    _small("uk", "uk-v3-small", "ee05b6a8c796c53c61cd1c821d38e897e5bd67b4d691d8797ec8f9e5100d4247", 144),
    _small("tr", "tr-0.3", "8c8d07cec1bce31add14967c16891c84152cdf76d391e33c08278119b9ea96e5", 37),
    _small("hi", "hi-0.22", "7c50a10866889f0ac21d912c20537a055a597ed09fc1d3e5bcd798f9f0017e48", 44),
    _small("ja", "ja-0.22", "efa092d280153a77615e9e0c7d7283e93e600de3d19d3bec686c57ef19d52eac", 50),
    _small("ko", "ko-0.22", "eea36124087fed26c59996a4761519458e3bd185e8ea9d9865ad8760c4a1d989", 87),
    _small("zh", "cn-0.22", "3af8b0e7e0f835ae9d414ce5df580237a3cfb08d586c9fbbb0f7ff29ad5b14ba", 44),
    _small("vi", "vn-0.4", "efe5c8494212110471a79befc48c79da679e5b1fc52a4ffb500222ff86d622e5", 34),
    _small("fa", "fa-0.4", "8af0530e232a3c3424bd6b7a582d434b8bde3f25e33541a8a250cb04e59ab01c", 49),
    _small("kk", "kz-0.15", "b5eb54b400d1b66d1b017cadfa63725cec7359cb7d54528f6326d02689984c49", 44),
    _small("eo", "eo-0.42", "4459ca908f7eae862a5975305f2a720735f5205a9884d8f559dc46fe70034636", 44),
    _standard("en", "en-us-0.22", "47f9a81ebb039dbb0bd319175c36ac393c0893b796c2b6303e64cf58c27b69f6", 1900),
    _standard("de", "de-0.21", "245060756f8d8394fc5b13639cf220b7620205795f30f37b6823878d4f603b2a", 2032),
    _standard("ru", "ru-0.42", "00eb9e5ed8230492da1acf702cd3548e1282256a5fdde8f188253e77217e9429", 1900),
    _model(SPEAKER_MODEL, "spk-0.4", "", 14, _SPEAKER_MEMORY_MB, ()),
)
"""The default first. The memory is an estimate."""
