"""The table of licences: complete, true to what is installed, and open."""

from importlib import metadata

from emo import licences
from emo_utils.models import registry


def test_every_locked_package_is_installed_at_its_version_with_an_open_licence():
    table = licences.table()
    packages = table[table.kind == "package"]
    assert len(packages) == len(licences.locked()) > 200
    other = {
        name: found
        for name, version in licences.locked().items()
        if not (found := metadata.version(name)).startswith(version)
    }
    assert not other
    assert not list(packages[~packages.licence.str.contains(licences.OPEN)].name)


def test_licences_are_those_that_the_packages_state():
    # One for each place where a package may say it: an expression, classifiers, a field,
    # only a file.
    stated = {
        "numpy": "BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0",
        "pyphen": "Mozilla Public License 1.1",
        "snakemake-interface-common": "MIT License",
    }
    assert all(words in licences.package_licence(name) for name, words in stated.items())
    assert licences.package_licence("no-such-package-anywhere") == ""
    for unknown in ("", "Proprietary", "GNU General Public License v3"):
        assert not licences.OPEN.search(unknown)


def test_what_the_project_asks_for_itself_has_its_reason():
    table = licences.table().set_index("name")
    assert (
        "BLEU" in table.loc["sacrebleu", "for"]
        and table.loc["absl-py", "for"] == "needed by another package"
    )
    names = dict(zip(table.index.str.lower().str.replace("_", "-"), table["for"]))
    assert (
        names["huggingface-hub"].startswith("fetches weights") and names["rouge-score"] == "ROUGE"
    )  # written one way in the one file, another way in the other


def test_weights_and_data_have_terms():
    table = licences.table()
    weights = table[table.kind == "weights"]
    assert list(weights.name) == [*registry.REGISTRY, "emotion_learnt"]
    assert (weights.licence != "").all() and "GoEmotions" in weights["for"].iloc[-1]
    assert set(table[table.kind == "data"].licence) == {"cc-by-4.0"}
