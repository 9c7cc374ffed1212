"""The `sunroom` command: verbs, options and exit codes; the work itself is in the modules beside this one.

Exit codes: 0 all delivered; 3 finished, some quarantined (or `qc` found too much); 2 wrong usage or settings; 1 our
fault; 130 interrupted (run the same command again to go on).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from jobs.interrupt import Interrupted, Stop
from jobs.progress import photos
from jobs.terminal import Fault, own_streams
from pipeline.codes import PhotoError, SettingsError
from pipeline.deliver.xmp import software
from pipeline.recipe import Recipe, recipe_names

DELIVERED, OUR_FAULT, WRONG_USAGE, QUARANTINED, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    name="sunroom",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all delivered; 3 finished, some quarantined; 2 wrong usage or settings; 1 our fault; "
    "130 interrupted (run the same command again to go on).",
)

Source = Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder of photos; each folder in it is a listing.")]
RecipeName = Annotated[str, typer.Option("--recipe", "-r", help="Name of a shipped recipe, or a YAML file.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="PANEL.OPTION=VALUE", help="One setting of the recipe; may be repeated."),
]
Groups = Annotated[
    Path | None,
    typer.Option(
        "--groups", help="A groups.yaml of an earlier run, corrected by hand: these sets are taken as they are."
    ),
]
Depth = Annotated[
    int, typer.Option("--listing-depth", min=1, max=16, help="Levels of folders below SOURCE that make a listing.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, to stdout.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(software())
        raise typer.Exit


@app.callback(no_args_is_help=True)
def sunroom(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Edit real-estate photos: bracketed exposures in, listing-ready pictures out, and a check of every one."""


@app.command()
def edit(
    source: Source,
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="Folder for the results; made if absent.")],
    *,
    recipe: RecipeName = "default",
    engine: Annotated[str, typer.Option("--engine", help="classical; diffusion is not built yet.")] = "classical",
    set_: Sets = None,
    as_json: AsJson = False,
    groups: Groups = None,
    listing_depth: Depth = 1,
    workers: Annotated[int | None, typer.Option(min=1, help="Photos in work at once; default: one per CPU.")] = None,
    address: Annotated[
        str | None, typer.Option(help="host:port of a running Ray cluster; default: Ray is started here for the job.")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Go on in a DEST made with other settings, or from another SOURCE.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove the pictures of photos that are no longer in SOURCE.")
    ] = False,
) -> None:
    """Edit all photos of SOURCE into DEST. Run it again to go on after an interruption; what is done is kept.

    DEST holds delivered/, quarantine/ (what could not be done, and why), report/index.html, summary.json, plans/,
    groups.yaml and ledger.sqlite. A delivered picture that was deleted or damaged is made again by the next run; those
    of photos that are no longer in SOURCE stay, unless --prune is given.
    """
    with _exit_codes():
        from cluster.settings import Settings
        from jobs.edit import Job
        from jobs.edit import edit as run
        from jobs.progress import watcher

        job = Job(source, dest, _recipe(recipe, engine, set_), listing_depth, groups, update, prune)
        settings = Settings.load(workers=workers, address=address)
        stop = Stop()
        stop.on_signals()
        with own_streams() as streams:
            summary = run(job, settings, watcher(streams.err), stop)
            text = json.dumps(summary, indent=1) if as_json else _closing(summary, dest)
            print(text, file=streams.out)
        raise typer.Exit(QUARANTINED if summary["counts"]["quarantined"] else DELIVERED)


@app.command()
def plan(
    source: Source,
    *,
    recipe: RecipeName = "default",
    set_: Sets = None,
    as_json: AsJson = False,
    groups: Groups = None,
    listing_depth: Depth = 1,
) -> None:
    """Show what `edit` would do, and write nothing.

    Which files belong together and why, what is unreadable, and how long it will take on this machine.
    """
    with _exit_codes():
        from jobs import plan as job

        found = job.plan(source, _recipe(recipe, "classical", set_), listing_depth=listing_depth, groups=groups)
        if as_json:
            print(json.dumps(found, indent=1))
        else:
            job.show(found, sys.stdout)


@app.command()
def see(
    source: Source,
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="Folder for JSON and masks; made if absent.")],
    *,
    recipe: RecipeName = "default",
    set_: Sets = None,
    as_json: AsJson = False,
    listing_depth: Depth = 1,
) -> None:
    """Write what each photo shows: DEST/<listing>/<name>.json, <name>.sky.png and <name>.windows.png.

    The JSON says scene, room, light, sky, windows and tilt, each with a confidence. Nothing is edited.
    """
    with _exit_codes():
        from jobs import see as job

        found = job.look(source, dest, _recipe(recipe, "classical", set_), listing_depth=listing_depth)
        if as_json:
            print(json.dumps(found, indent=1))
        else:
            job.show(found, sys.stdout)
        raise typer.Exit(QUARANTINED if any("failure" in entry for entry in found) else DELIVERED)


@app.command()
def train(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="see: the network that looks at every photo.")],
    *,
    data: Annotated[
        list[Path],
        typer.Option("--data", help="Folder of labelled pictures (README, Train the eyes); may be repeated."),
    ],
    out: Annotated[
        Path, typer.Option("--out", help="Folder for weights, calibration, model card and checkpoint.")
    ] = Path("weights"),
    pictures: Annotated[
        int | None, typer.Option(min=1, help="Pictures with masks to see; default: as shipped.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all chance.")] = 0,
    start: Annotated[
        Path | None, typer.Option(help="What to fine-tune: a network that ships (.onnx) or a checkpoint (.pt).")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Of torch; default: one per CPU.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; default: a GPU where there is one.")] = None,
) -> None:
    """Train a network on your own pictures, or as it ships; needs the extra `train` (pip install 'sunroom[train]').

    Interrupt and run the same command again to go on.
    """
    with _exit_codes():
        from cluster.settings import cpus_here
        from jobs.train.see import PICTURES, Order
        from jobs.train.see import train as run

        if network != "see":
            raise SettingsError(f"train {network}: no such network; there is: see")
        order = Order(tuple(data), out, "see", pictures or PICTURES, seed, start, threads or cpus_here(), device)
        record = run(order, lambda line: print(line, file=sys.stderr, flush=True))
        print(json.dumps(record["validation"], indent=1))


@app.command()
def qc(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="A picture, or a folder of them.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="Its edit, or a folder with the same names.")],
    *,
    recipe: RecipeName = "default",
    set_: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Check an edit against its source, whoever made it.

    Structure, colour and edges are compared; the recipe's panel check holds the limits. Exit code 3 if one is broken.
    """
    with _exit_codes():
        from jobs import qc as job

        found = job.qc(before, after, _recipe(recipe, "classical", set_))
        if as_json:
            print(json.dumps(found, indent=1))
        else:
            job.show(found, sys.stdout)
        raise typer.Exit(DELIVERED if found["passed"] else QUARANTINED)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Look for what is missing or odd on this machine.

    Exit code 1 if photos cannot be edited here.
    """
    with _exit_codes():
        from jobs import doctor as job

        with own_streams() as streams:
            found = job.examine()
            if as_json:
                print(json.dumps([f.to_dict() for f in found], indent=1), file=streams.out)
            else:
                job.show(found, streams.out)
        raise typer.Exit(OUR_FAULT if any(f.status == "fail" for f in found) else DELIVERED)


@app.command("recipe")
def show_recipe(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a shipped recipe, or a YAML file.")] = "default",
    *,
    set_: Sets = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of the form instead.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Print the names of the shipped recipes instead.")] = False,
) -> None:
    """Print a recipe: every setting and its value.

    It is a YAML form to save, change and pass to --recipe.
    """
    with _exit_codes():
        if list_:
            print("\n".join(recipe_names()))
        elif schema:
            print(json.dumps(Recipe.model_json_schema(), indent=1))
        else:
            print(_recipe(name, "classical", set_).to_yaml(), end="")


def main() -> NoReturn:
    """The entry point of the `sunroom` command."""
    # Read when ray is imported, which the verbs do: what still asks Ray for something after an interruption must not
    # start another one.
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
    app()
    raise SystemExit(DELIVERED)


def _recipe(name: str, engine: str, settings: list[str] | None) -> Recipe:
    if engine == "diffusion":
        raise SettingsError("--engine diffusion: the diffusion engine is not built yet; use --engine classical")
    if engine != "classical":
        raise SettingsError(f"--engine {engine}: no such engine; use --engine classical")
    overrides: dict[str, str] = {}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not equals:
            raise SettingsError(f"--set {setting}: expected panel.option=value")
        overrides[key.strip()] = value
    return Recipe.load(name, overrides)


@contextmanager
def _exit_codes() -> Generator[None]:
    """Say in one line what went wrong, and leave with its code."""
    try:
        yield
    except SettingsError as error:
        _leave(str(error), WRONG_USAGE)
    except PhotoError as error:
        _leave(f"{error.code.name}: {error.message}. {error.code.hint}", WRONG_USAGE)
    except (KeyboardInterrupt, Interrupted):
        _leave("interrupted; run the same command again to go on", INTERRUPTED)
    except Fault as error:
        _leave(f"INTERNAL: {error}", OUR_FAULT)
    except BrokenPipeError:
        sys.stderr.close()
        raise typer.Exit(DELIVERED) from None


def _leave(message: str, code: int) -> NoReturn:
    print(f"sunroom: {message}", file=sys.stderr)
    raise typer.Exit(code) from None


def _closing(summary: dict[str, Any], dest: Path) -> str:
    counts = summary["counts"]
    lines = [f"{p['code']:<20} {p['failure'].get('message', '')}" for p in summary["photos"] if p["code"]]
    warned = f", {counts['warnings']} with warnings" if counts["warnings"] else ""
    lines.append(
        f"{photos(counts['shots'])}: {counts['delivered']} delivered, {counts['quarantined']} quarantined{warned}"
    )
    lines.append(f"report: {dest / 'report' / 'index.html'}")
    return "\n".join(lines)
