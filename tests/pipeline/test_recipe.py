"""The recipe as a form."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.codes import SettingsError
from pipeline.recipe import Recipe, recipe_names


def test_default_recipe_loads_and_equals_the_default_form():
    assert "default" in recipe_names()
    assert Recipe.load() == Recipe()


def test_overrides_reach_nested_options_and_change_the_fingerprint():
    recipe = Recipe.load("default", {"light.strength": "0.5", "deliver.web.long_side": "1024"})
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


@pytest.mark.parametrize("panel", ["geometry", "windows", "sky", "look", "privacy", "detail"])
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
