"""The documents say what is there: commands, options, codes, panels, links, examples, figures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main
import yaml
from PIL import Image

from cluster.settings import Settings
from jobs.cli import DELIVERED, INTERRUPTED, OUR_FAULT, QUARANTINED, WRONG_USAGE, app
from pipeline import edit
from pipeline.codes import Code, SettingsError
from pipeline.recipe import Panel, Recipe

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "samples/README.md"]
COMMANDS = typer.main.get_group(app).commands
PANELS = [name for name, field in Recipe.model_fields.items() if isinstance(field.default, Panel)]


def section(title: str) -> str:
    """The README's text below a heading, up to the next of its level or above; `#` within code is no heading."""
    heading = re.search(rf"^(#+) {re.escape(title)}$", README, re.MULTILINE)
    assert heading, title
    rest = README[heading.end() :]
    prose = re.sub(r"^```.*?^```", lambda code: "`" * len(code[0]), rest, flags=re.MULTILINE | re.DOTALL)
    after = re.search(rf"^#{{1,{len(heading[1])}}} ", prose, re.MULTILINE)
    return rest[: after.start()] if after else rest


def blocks(kind: str, text: str = README) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def rows(text: str) -> list[list[str]]:
    """Cells of a table's rows, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_command_is_shown_with_its_arguments() -> None:
    shown = section("The command")

    for name, command in COMMANDS.items():
        given = [p for p in command.params if p.param_type_name == "argument"]
        arguments = [str(p.metavar) if p.required else f"[{p.metavar}]" for p in given]
        assert re.search(rf"^sunroom {' '.join([name, *map(re.escape, arguments)])}  ", shown, re.MULTILINE), name


def test_every_option_that_the_readme_names_exists() -> None:
    group = typer.main.get_group(app)
    known = {option for command in (group, *COMMANDS.values()) for p in command.params for option in p.opts}
    known.add("--help")

    for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", README):
        assert option in known, option


def test_every_option_of_edit_is_explained() -> None:
    shown = {row[0].strip("`").split()[0] for row in rows(section("edit").split("DEST holds")[0])}

    assert shown == {p.opts[0] for p in COMMANDS["edit"].params if p.param_type_name == "option"}


def test_every_variable_is_explained() -> None:
    shown = [row[0].strip("`") for row in rows(section("Environment"))]

    assert sorted(shown) == sorted([*(f"SUNROOM_{name.upper()}" for name in Settings.model_fields), "TMPDIR"])


def test_exit_codes_are_those_of_the_command() -> None:
    shown = [int(row[0]) for row in rows(section("Exit codes"))]

    assert shown == sorted([DELIVERED, OUR_FAULT, WRONG_USAGE, QUARANTINED, INTERRUPTED])


def test_the_table_of_codes_is_that_of_the_program() -> None:
    expected = [[c.name, c.stage, "again" if c.retryable else "", c.hint] for c in Code]

    assert rows(section("Codes")) == expected, "\n".join(f"| {' | '.join(row)} |" for row in expected)


def is_built(panel: str) -> bool:
    """Whether the panel accepts a strength above 0, or has none."""
    try:
        Recipe.load(overrides={f"{panel}.strength": "1"})
    except SettingsError as error:
        return "strength: there is no such setting" in str(error)
    return True


def test_every_panel_is_listed_with_its_state() -> None:
    shown = {row[0].strip("`"): row[2] for row in rows(section("Recipes"))}

    assert shown == {panel: "works" if is_built(panel) else "strength 0 only" for panel in PANELS}


def test_the_example_recipe_loads_and_every_value_in_it_arrives(tmp_path: Path) -> None:
    (example,) = blocks("yaml")
    path = tmp_path / "bright.yaml"
    path.write_text(example, encoding="utf-8")

    loaded = leaves(Recipe.load(path).model_dump(mode="json"))

    assert leaves(yaml.safe_load(example)).items() <= loaded.items()


def leaves(form: dict[str, Any], above: str = "") -> dict[str, str]:
    """A form's values by their dotted names."""
    found: dict[str, str] = {}
    for name, value in form.items():
        found |= leaves(value, f"{above}{name}.") if isinstance(value, dict) else {above + name: repr(value)}
    return found


def test_settings_named_in_the_readme_exist() -> None:
    for setting in re.findall(r"--set ([a-z_.]+=\S+?)`?[\s`]", README):
        if not setting.startswith("panel."):
            key, value = setting.split("=")
            Recipe.load(overrides={"deliver.web.enabled": "true", key: value})
    form = Recipe().model_dump()
    for panel, option in re.findall(rf"`({'|'.join(PANELS)})\.(\w+)`", README):
        assert option in form[panel], f"{panel}.{option}"


@pytest.mark.slow
def test_the_python_example_runs(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = blocks("python")
    (tmp_path / "samples").symlink_to(samples)
    monkeypatch.chdir(tmp_path)

    exec(compile(example, "README.md", "exec"), {})

    assert Image.open(tmp_path / "room.jpg").size == (752, 500)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_named_files_exist(document: str) -> None:
    path = ROOT / document
    text = path.read_text(encoding="utf-8")

    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith(("http://", "https://")):
            assert (path.parent / target).exists(), target
    for named in re.findall(r"`((?:pipeline|jobs|tests|benchmarks|samples|docs)/[\w./-]+)`", text):
        assert (ROOT / named).exists(), named


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_named_exist(document: str) -> None:
    known = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    text = (ROOT / document).read_text(encoding="utf-8")

    for target in re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", text, re.MULTILINE):
        assert "".join(target) in known, target


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("compile_tone", "pipeline/render/transfer.py"),
        ("Figures", "pipeline/check/metrics.py"),
        ("compare", "pipeline/check/metrics.py"),
        ("judge", "pipeline/check/judge.py"),
        ("_JUDGED", "pipeline/deliver/gallery.py"),
        ("Seen", "pipeline/see/scene.py"),
        ("NotBuilt", "pipeline/recipe.py"),
        ("plan", "pipeline/develop.py"),
    ],
)
def test_what_contributors_are_sent_to_exists(name: str, file: str) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

    assert f"`{name}" in text
    assert file in text
    assert re.search(rf"^(def |class )?{name}\b", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_measured_figures_are_those_of_the_results() -> None:
    grouping = json.loads((ROOT / "benchmarks/results/grouping.json").read_text(encoding="utf-8"))
    measured = section("Measured")

    names = {
        "with EXIF": "exif",
        "names in order": "no exif, names in order",
        "names shuffled": "no exif, names shuffled",
    }
    for words, key in names.items():
        figures = f"precision {grouping[key]['precision']:.4f}, recall {grouping[key]['recall']:.4f}"
        assert re.search(rf"{words} \| {re.escape(figures)} \|", measured), f"{words}: {figures}"
    encode = (ROOT / "benchmarks/results/encode.md").read_text(encoding="utf-8")
    seconds = re.search(r"JPEG q92 4:2:0 \| ([\d.]+) \|", encode)
    assert seconds
    assert f"quality 92 | {seconds[1]} CPU s" in measured
    main_job = (ROOT / "benchmarks/results/main_job.md").read_text(encoding="utf-8")
    for contestant in ("the whole job", "the whole job, hand-held frames", "every edit on a house front"):
        row = re.search(rf"^\| sunroom, {contestant} \| ([\d.]+) .* ([\d.]+) \([\d.-]+\) \|$", main_job, re.MULTILINE)
        assert row, contestant
        assert f"| {row[1]} CPU s, {row[2]} GB" in measured, contestant
    row = re.search(r"^\| enfuse [\d.]+, its defaults \| ([\d.]+) .* ([\d.]+) \([\d.-]+\) \|$", main_job, re.MULTILINE)
    assert row
    assert f"(enfuse needs {row[1]} CPU s, {row[2]} GB to fuse them" in measured
    tilt = (ROOT / "benchmarks/results/tilt.md").read_text(encoding="utf-8")
    cell = r" ([\d.]+) \|"
    row = re.search(rf"^\| photos \|{cell}{cell}{cell} [\d.]+ \|{cell} .* ([\d.]+) \|$", tilt, re.MULTILINE)
    assert row
    wrong = round(int(row[1]) * float(row[2]) * float(row[5]))
    assert f"| {row[3]} and {row[4]} degrees; {wrong} of {row[1]} accepted wrong by more than 1.5 |" in measured


def cells(result: str, label: str, nth: int = 0) -> list[str]:
    """What follows `label` in its first row of a results file, or in a later one."""
    text = (ROOT / "benchmarks/results" / result).read_text(encoding="utf-8")
    rows = re.findall(rf"^\| {re.escape(label)} \| (.*) \|$", text, re.MULTILINE)
    assert len(rows) > nth, f"{result}: {label}"
    return [cell.strip() for cell in rows[nth].split("|")]


def test_measured_figures_of_seeing_skies_and_windows_are_those_of_the_results() -> None:
    measured = section("Measured")
    kinds = ("from the air", "dusk or night", "no photo")
    counts = [[float(c) for c in cells("left_alone.md", f"{kind}, never seen")[:2]] for kind in kinds]
    assert f"| {'; '.join(f'{n * share:.0f} of {n:.0f}' for n, share in counts)} |" in measured
    look = float(cells("see.md", "network, 1536 x 1024 proxy, 1 thread, ms of CPU")[1])
    assert f"| a look at a photo | {look:.0f} ms" in measured
    found, replaced = (cells("skies.md", f)[0] for f in ("dull skies found", "good or dusk skies replaced"))
    of = int(cells("skies.md", "good or dusk skies replaced")[1])
    assert f"| {float(found):.2f}; {float(replaced) * of:.0f} of {of} |" in measured
    dull, _, new = cells("skies.md", "dull")[:3]
    assert f"Of {dull} labelled dull skies {new} are replaced" in section("Limits")
    shares = [cells("sky_mattes.md", kind)[2] for kind in ("roof", "wires", "foliage")]
    assert f"| {', '.join(shares)} of it |" in measured
    left = [cells("sky_mattes.md", kind, 1)[0] for kind in ("roof", "wires", "foliage")]
    assert f"mean dE | {', '.join(left)} |" in measured
    kept = [float(v) for v in cells("windows.md", "structure with the darker exposures")[1:]]
    assert f"| {min(kept):.2f} to {max(kept):.2f} |" in measured


@pytest.mark.slow
def test_the_pictures_show_the_samples_as_they_are_edited_now(samples: Path) -> None:
    for result in edit(samples, Recipe.load("listing")):
        with Image.open(ROOT / "docs" / f"{result.shot.listing}.jpg") as image:
            pair = np.asarray(image.convert("RGB")).astype(float)
        assert pair.shape[1] == 1200
        for picture, half in ((result.before, pair[:, :596]), (result.after, pair[:, 604:])):
            assert picture is not None
            small = Image.fromarray(picture).resize((596, pair.shape[0]), Image.Resampling.BOX)
            difference = float(np.abs(half - np.asarray(small)).mean())
            assert difference < 6, f"{result.name} differs by {difference:.1f} levels: run python docs/make_pictures.py"


def test_the_notice_names_every_sample_and_its_licence(samples: Path) -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")

    for folder in (p for p in samples.iterdir() if p.is_dir()):
        assert f"samples/{folder.name}/" in notice
        assert f"{folder.name}/" in (samples / "README.md").read_text(encoding="utf-8")
    for words in ("Min H. Kim", "BSD 2-Clause", "Tom Mertens", "MIT License", "xiongzhu666"):
        assert words in notice
