"""Arguments that several commands share, and how a path on the command line becomes a URI."""

import argparse
import os
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from recast.commands.refusals import BLUR, MAX_DISTANCE, OPACITY
from recast.errors import UsageError
from recast.spec import Consent, ContentCheck, Engine, FacePair, Limits, Mask, Padding, Select, Target
from recast.storage.stored import local_path

ENGINES: dict[str, Literal["Mesh", "InSwapper", "Passthrough"]] = {
    "mesh": "Mesh",
    "inswapper": "InSwapper",
    "passthrough": "Passthrough",
}
SELECTS: dict[str, Select] = {
    "largest": "Largest",
    "all": "All",
    "leftmost": "Leftmost",
    "rightmost": "Rightmost",
}
PROVIDERS: dict[str, Literal["Cuda", "TensorRt", "Cpu"]] = {"cuda": "Cuda", "tensorrt": "TensorRt", "cpu": "Cpu"}
OF_INSWAPPER: dict[str, object] = {
    "provider": "cuda",
    "precision": "fp32",
    "pixel_boost": 128,
    "keep_mouth": False,
    "opacity": 1.0,
    "occluder": None,
    "mask_blur": None,
    "mask_padding": "0,0,0,0",
}
"""Its own options, and what they are where nothing is said."""

Commands = Any
"""argparse' own type for subparsers is private."""


def new_parser(commands: Commands, name: str, text: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """A command's parser.

    Args:
        commands: where it is added.
        name: of the command.
        text: its line in the help of what it is added to.
        description: what its own help begins with.
        epilog: what that ends with; examples stand as they are written.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def to_uri(text: str) -> str:
    """A path, a file:// or an s3:// URI, as a URI.

    Raises:
        UsageError: it is a URI of another kind, or means standard input or output, or a home that no shell put in.
    """
    if text == "-":
        raise UsageError("-: standard input and output are not taken: give a file (./- where that is its name)")
    if text.startswith("s3://"):
        return text
    text = text.removeprefix("file://") if text.startswith("file:///") else text
    if "://" in text:
        raise UsageError(f"{text}: give a path or an s3:// URI")
    home, slash, _ = text.partition("/")
    if text.startswith("~") and slash and not os.path.lexists(home):
        raise UsageError(f"{text}: a shell leaves ~ as it is in quotes: take it out of them, or write $HOME")
    return f"file://{Path(os.path.abspath(text))}"


def file_of(text: str) -> Path:
    """A file of this machine, by its path or file:// URI.

    Raises:
        UsageError: it is none.
    """
    uri = to_uri(text)
    if uri.startswith("s3://"):
        raise UsageError(f"{text}: give a path on this machine")
    return local_path(uri)


def add_face_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that say whose face goes where."""
    add = parser.add_argument
    add(
        "--face",
        action="append",
        default=[],
        metavar="PHOTO",
        help="of the face to put in; repeat it for more: inswapper takes their mean, mesh the clearest",
    )
    add(
        "--select",
        default="largest",
        metavar="WHO",
        help="which face of each frame is changed: largest, all, leftmost, rightmost, a number (0 is the leftmost, at "
        "most 255), or a photo of the person (default: %(default)s)",
    )
    add(
        "--max-distance",
        type=float,
        metavar="D",
        help=f"how unlike the photo of --select a face may be: {MAX_DISTANCE}: inswapper (1 - cosine) / 2, default 0.3;"
        " mesh dlib's Euclidean distance, default 0.6",
    )
    add(
        "--swap",
        action="append",
        default=[],
        metavar="PHOTO[,PHOTO...]=WHO",
        help="several people: whose face takes whose place, instead of --face and --select; may be repeated; write "
        "\\, for a comma in a photo's name, and \\= for an = in WHO",
    )
    add("--engine", choices=sorted(ENGINES), default="mesh", help="what changes the pixels (default: %(default)s)")
    add("--models", metavar="STORE", help="of inswapper: where `recast models push` put them, s3:// URI or path")
    add(
        "--provider",
        choices=sorted(PROVIDERS),
        help="of inswapper: what runs the models (default: %(default)s)",
    )
    add("--precision", choices=("fp32", "fp16"), help="of inswapper (default: %(default)s)")
    add(
        "--pixel-boost",
        type=int,
        choices=(128, 256, 512),
        help="of inswapper: width of the face that is swapped (default: %(default)s)",
    )
    _add_mask_arguments(parser)
    parser.set_defaults(**OF_INSWAPPER)


def _add_mask_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--keep-mouth", action="store_true", help="of inswapper: leave the target's own mouth (default: off)")
    add(
        "--opacity",
        type=float,
        metavar="N",
        help=f"of inswapper: how much of the new face is seen, {OPACITY} (default: %(default)g)",
    )
    add(
        "--occluder", metavar="NAME.onnx", help="of inswapper: a model in --models that tells face from hands before it"
    )
    add(
        "--mask-blur",
        type=float,
        metavar="N",
        help=f"of inswapper: how soft its edges are, {BLUR} (default: InsightFace's)",
    )
    add(
        "--mask-padding",
        metavar="T,R,B,L",
        help="of inswapper: percent of the face's square left out at each side (default: %(default)s)",
    )


def _mask_of(options: argparse.Namespace) -> Mask:
    sides = options.mask_padding.split(",")
    if len(sides) != 4 or not all(side.strip().isdecimal() and int(side) <= 100 for side in sides):
        raise UsageError(f"--mask-padding {options.mask_padding}: give four percentages: top,right,bottom,left")
    top, right, bottom, left = map(int, sides)
    return Mask(
        padding=Padding(top=top, right=right, bottom=bottom, left=left),
        blur=options.mask_blur,
        opacity=options.opacity,
        keep_mouth=options.keep_mouth,
        occluder=options.occluder,
    )


def add_content_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the look at the source before anything is swapped."""
    parser.add_argument(
        "--content-check",
        metavar="MODEL.onnx",
        help="a model that scores pictures of SOURCE first: float32 RGB [n, 3, height, width] in, one number out; "
        "default: off",
    )
    parser.add_argument(
        "--content-threshold", type=float, metavar="T", help="the first picture that scores so much stops the run"
    )


def content_check_of(options: argparse.Namespace) -> ContentCheck | None:
    """The job's content check.

    Raises:
        UsageError: a model without a threshold, or a threshold without a model.
    """
    if (options.content_check is None) != (options.content_threshold is None):
        raise UsageError("--content-check MODEL.onnx and --content-threshold T go together")
    if options.content_check is None:
        return None
    return ContentCheck(model=to_uri(options.content_check), threshold=options.content_threshold)


def add_limit_argument(parser: argparse.ArgumentParser) -> None:
    """The argument that says how much of SOURCE and photos is too much."""
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=N",
        help=f"refuse files that have more: {', '.join(_limit_names())}; may be repeated",
    )


def limits_of(options: argparse.Namespace) -> Limits:
    """The job's limits.

    Raises:
        UsageError: there is no such limit, or it cannot be that.
    """
    wanted = {}
    for text in options.limit:
        name, _, value = text.partition("=")
        if name not in _limit_names():
            raise UsageError(f"--limit {text}: give NAME=N, the name out of {', '.join(_limit_names())}")
        wanted[name.replace("-", "_")] = value
    try:
        return Limits.model_validate_strings(wanted)
    except ValidationError as error:
        first = error.errors()[0]
        bounds = first.get("ctx", {})
        words = [f"at {end} {bounds[bound]}" for bound, end in (("ge", "least"), ("le", "most")) if bound in bounds]
        given = f"{str(first['loc'][0]).replace('_', '-')}={first['input']}"
        raise UsageError(f"--limit {given}: give {words[0] if words else 'a number'}") from error


def _limit_names() -> list[str]:
    return [name.replace("_", "-") for name in Limits.model_fields]


def faces_of(options: argparse.Namespace) -> tuple[FacePair, ...]:
    """The job's faces.

    Raises:
        UsageError: both ways of saying them, or a --swap that says nothing.
    """
    if options.engine == "passthrough":
        return ()
    pairs = _pairs(options)
    if pairs and options.max_distance is not None and not any(pair.target.reference for pair in pairs):
        raise UsageError("--max-distance goes with a photo of whom to replace: --select PHOTO or --swap PHOTO=PHOTO")
    return pairs


def _pairs(options: argparse.Namespace) -> tuple[FacePair, ...]:
    if options.swap:
        if options.face:
            raise UsageError("--swap says whose face it is: leave --face out")
        if options.select != "largest":
            raise UsageError("--swap says whose place it takes: leave --select out")
        pairs = tuple(_pair(text, options.max_distance) for text in options.swap)
        for place, pair in enumerate(pairs):
            if any(pair.target == other.target for other in pairs[:place]):
                who = options.swap[place].rpartition("=")[2]
                raise UsageError(f"--swap {options.swap[place]}: {who} is taken by another --swap: leave one out")
        return pairs
    if not options.face:
        return ()
    sources = tuple(to_uri(face) for face in options.face)
    return (FacePair(source=sources, target=target_of(options.select, options.max_distance)),)


def target_of(who: str, max_distance: float | None = None) -> Target:
    """Which face is meant by a word, a number or a photo."""
    if who in SELECTS:
        return Target(select=SELECTS[who])
    if who.isdecimal():
        return Target(select="Index", index=int(who))
    return Target(select="Reference", reference=to_uri(who), max_distance=max_distance)


def engine_of(options: argparse.Namespace) -> Engine:
    """The job's engine.

    Raises:
        UsageError: inswapper without models, or models without it.
    """
    name = ENGINES[options.engine]
    if (name == "InSwapper") != bool(options.models):
        raise UsageError("--models goes with --engine inswapper, and is needed there")
    if name != "InSwapper":
        for option, default in OF_INSWAPPER.items():
            if getattr(options, option) != default:
                text = f"--{option.replace('_', '-')} goes with --engine inswapper only, and would do nothing"
                raise UsageError(f"{text} with {options.engine}: leave it out")
        return Engine(name=name)
    return Engine(
        name=name,
        models=to_uri(options.models),
        provider=PROVIDERS[options.provider],
        precision="Fp16" if options.precision == "fp16" else "Fp32",
        pixel_boost=options.pixel_boost,
        mask=_mask_of(options),
    )


def _pair(text: str, max_distance: float | None) -> FacePair:
    *before, who = _parts(text, "=")
    sources = tuple(to_uri(_bare(photo)) for photo in _parts("=".join(before), ",") if photo)
    if not sources or not who:
        raise UsageError(f"--swap {text}: write PHOTO=WHO, as in ada.png=leftmost or ada.png=bob.png")
    return FacePair(source=sources, target=target_of(_bare(who), max_distance))


def _parts(text: str, mark: str) -> list[str]:
    """What stands between marks that have no backslash before them."""
    return re.split(rf"(?<!\\){mark}", text)


def _bare(name: str) -> str:
    return re.sub(r"\\([,=])", r"\1", name)


def consent_of(options: argparse.Namespace) -> Consent | None:
    """The job's consent."""
    return Consent(reference=options.consent) if options.consent else None
