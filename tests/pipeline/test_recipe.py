"""The recipe as a form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.codes import SettingsError
from pipeline.deliver.profiles import web_name
from pipeline.recipe import Recipe, recipe_names


def test_default_recipe_loads_and_equals_the_default_form():
    assert "default" in recipe_names()
    assert Recipe.load() == Recipe()


def test_overrides_reach_nested_options_and_change_the_fingerprint():
    nested = {"deliver.web.enabled": "true", "deliver.web.long_side": "1024"}
    recipe = Recipe.load("default", {"light.strength": "0.5", **nested})
    assert recipe.light.strength == 0.5
    assert recipe.deliver.web.long_side == 1024
    assert recipe.fingerprint() != Recipe().fingerprint()


def test_the_name_alone_does_not_change_the_fingerprint():
    assert Recipe(name="other").fingerprint() == Recipe().fingerprint()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("light.strength", "2", "light.strength"),
        ("light.sterngth", "1", "light.sterngth"),
        ("nothing.strength", "1", "nothing"),
        ("strength", "1", "panel.option"),
        ("light.strength", "[", "cannot read"),
        ("deliver.format", "gif", "deliver.format"),
    ],
)
def test_wrong_settings_are_named(key: str, value: str, said: str):
    with pytest.raises(SettingsError, match=said):
        Recipe.load("default", {key: value})


CONTRADICTIONS = [
    ({"deliver": {"depth": 16}}, "depth=16 needs format=png or format=tiff"),
    ({"deliver": {"web": {"max_bytes": 900_000}}}, "web.max_bytes was given without web.enabled"),
    (
        {"deliver": {"web": {"enabled": True, "max_bytes": 900_000, "quality": 50}}},
        "quality_floor=60 is above quality=50",
    ),
    ({"check": {"attempts": [0.4, 0.8]}}, "must be lower than the one before"),
]


@pytest.mark.parametrize(("form", "said"), CONTRADICTIONS)
def test_settings_that_contradict_each_other_are_refused_wherever_they_are_made(
    form: dict[str, dict[str, object]], said: str, tmp_path: Path
):
    file = tmp_path / "mine.yaml"
    file.write_text(json.dumps(form))
    with pytest.raises(SettingsError, match=said):
        Recipe.load(file)
    settings = {f"{panel}.{option}": json.dumps(value) for panel, o in form.items() for option, value in o.items()}
    with pytest.raises(SettingsError, match=said):
        Recipe.load("default", settings)
    with pytest.raises(ValidationError, match=said):
        Recipe.model_validate(form)


@pytest.mark.parametrize(
    "settings",
    [
        {"deliver.depth": "16", "deliver.format": "tiff"},
        {"deliver.quality": "80", "deliver.format": "png"},
        {"deliver.web.enabled": "false", "deliver.web.long_side": "1024"},
        {"deliver.web.enabled": "true", "deliver.web.quality": "50"},
        {"check.attempts": "[0.5]"},
    ],
)
def test_settings_that_go_together_are_accepted_and_can_be_saved(settings: dict[str, str], tmp_path: Path):
    recipe = Recipe.load("default", settings)
    (tmp_path / "mine.yaml").write_text(recipe.to_yaml())
    assert Recipe.load(tmp_path / "mine.yaml") == recipe


@pytest.mark.parametrize("panel", ["look", "privacy", "detail"])
def test_panels_that_are_not_built_accept_only_strength_zero(panel: str):
    assert Recipe.load("default", {f"{panel}.strength": "0"}) == Recipe()
    with pytest.raises(SettingsError, match=f"{panel}.strength"):
        Recipe.load("default", {f"{panel}.strength": "1"})


def test_yaml_round_trip(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    recipe = Recipe.load("default", {"balance.warmth": "0.3"})
    file.write_text(recipe.to_yaml())
    assert Recipe.load(file) == recipe


def test_missing_or_broken_files_are_named(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"nowhere\.yaml"):
        Recipe.load(tmp_path / "nowhere.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("light: [")
    with pytest.raises(SettingsError, match="not valid YAML"):
        Recipe.load(broken)
    broken.write_text("- light")
    with pytest.raises(SettingsError, match="expected panels"):
        Recipe.load(broken)


@pytest.mark.slow
def test_files_that_are_not_text_or_say_a_thing_twice_are_named(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_bytes("name: Höhenweg".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"mine\.yaml: not a text file in UTF-8"):
        Recipe.load(file)
    for text in (
        "light: {strength: 1}\nbalance: {strength: 1}\nlight: {strength: 0}",
        "light: {strength: 1, strength: 0}",
    ):
        file.write_text(text)
        with pytest.raises(SettingsError, match=r"mine\.yaml.*twice"):
            Recipe.load(file)
    file.write_text("light: " + "[" * 3000)
    with pytest.raises(SettingsError, match=r"mine\.yaml: not valid YAML: nested too deeply"):
        Recipe.load(file)


def test_what_yaml_takes_for_a_date_or_a_number_to_base_60_is_text(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text("name: 2026-13-45\ndeliver: {subsampling: 4:4:4}")
    recipe = Recipe.load(file)
    assert (recipe.name, recipe.deliver.subsampling) == ("2026-13-45", "4:4:4")
    assert Recipe.load("default", {"deliver.subsampling": "4:4:4"}).deliver.subsampling == "4:4:4"


def test_what_is_wrong_is_said_in_one_line_of_plain_words():
    for key, value, says in [
        ("look.strength", "0.5", "look.strength: this panel is not built yet"),
        ("light.strength", "much", "light.strength: must be a number"),
        ("light.strenght", "1", "light.strenght: there is no such setting"),
        ("light.strength", "[1", "cannot read value"),
    ]:
        with pytest.raises(SettingsError) as caught:
            Recipe.load("default", {key: value})
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "pattern", ["{listing}_{seq:03}", "{name}", "{seq}", "web {name}-{seq:4}", "{listing} {name}.x", "a.{seq}.b"]
)
def test_web_names_that_tell_photos_apart_are_accepted(pattern: str):
    recipe = Recipe.load("default", {"deliver.web.enabled": "true", "deliver.web.name": pattern})
    assert recipe == Recipe.load("default", {"deliver.web.enabled": "true", "deliver.web.name": f"'{pattern}'"})
    made = {web_name(recipe.deliver.web.name, listing="a/b", name=n, sequence=s) for n, s in [("x", 1), ("y", 2)]}
    assert len(made) == 2


@pytest.mark.parametrize(
    "pattern",
    [
        "same",
        "",
        "{listing}",
        "{nope}",
        "{}",
        "{0}",
        "{seq",
        "seq}",
        "{{seq}}",
        "{seq:xyz}",
        "{seq:{name}}",
        "{seq:0999999999}",
        "{name:.1}",
        "{name[0]}",
        "{name.upper}",
        "a/{seq}",
        "a\\{seq}",
        "..{seq}",
        "{seq}\n",
        "{seq}" * 50,
    ],
)
def test_web_names_that_cannot_be_or_would_be_the_same_are_refused(pattern: str):
    with pytest.raises(SettingsError, match=r"deliver\.web\.name"):
        Recipe.load("default", {"deliver.web.name": json.dumps(pattern)})


def test_skies_are_replaced_by_the_listing_recipe_only():
    assert Recipe().sky.replace == "never"
    assert not Recipe().sky.replaces
    listing = Recipe.load("listing")
    assert listing.sky.replace == "when_dull"
    assert listing.sky.replaces
    assert listing.model_copy(update={"name": "default", "sky": Recipe().sky}) == Recipe()
