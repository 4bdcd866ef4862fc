"""What each tracked file is for: file classes, grammar variants, backup trees.

Facts of the tree: they need paths, `.gitattributes` and one look at each file's beginning (`text_profile`), so
they are computed for every snapshot and are no part of a content fact's key.
"""

from __future__ import annotations

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.git_patterns import AttributeRules
from elder_assets.audit.facts.grammars import Blob, Language, language_of, languages
from elder_assets.audit.model import FileClass, SourceFile, TreeEntry
from elder_assets.audit.patterns import regex

READ_BYTES_MAX = 8_000_000
"""Files above this size are never read; only their size is a fact. Chosen by us (decision 0001)."""

BACKUP_DUPLICATE_SHARE = 0.8
"""A folder that shares this part of its blobs with another folder is a backup tree (magics.md, section 1)."""

BACKUP_FILES_MIN = 10
"""Smaller folders share blobs by accident (licences, empty `__init__.py`); chosen by us, decision 0001."""


class TextProfile(msgspec.Struct, frozen=True, array_like=True):
    """First look at a file's bytes."""

    is_binary: bool
    lines: int
    longest_line: int
    """Bytes of the longest line; minified code shows here."""
    is_generated: bool
    """A generator says so in the first five lines."""
    is_lfs_pointer: bool


_GENERATED_MARK = regex(
    rb"@generated\b(?![(`'\"])"
    rb"|(?-i:\bDO NOT (?:EDIT|MODIFY)\b)"
    rb"|\bdo not (?:edit|modify)\b(?=\W*$|[\W]*(?:this (?:file|code)|it\b|manually|by hand|directly))"
    rb"|^\W*(?:<?auto-?generated\b(?! documentation| docs)(?=\W*$|\W*>|.{0,20}\b(?:file|code|by|from|with|using)\b)"
    rb"|[\w ,]{0,30}\b(?:this|file|code|header|class|module|script|document)\b[\w ,]{0,20}"
    rb"\b(?:auto-?|automatically |machine[ -])generated\b"
    rb"|(?:this (?:file|code) (?:is|was|has been) |code |file )generated (?:by|from|with)\b(?!.{0,20}--init)"
    rb"|generated (?:file|code)\b(?=\W*$|.{0,4}\bdo not\b))",
    re.IGNORECASE,
)
"""What generators write in the head of a file; a sentence about generated things is no such mark."""

_COMMENT_START = regex(rb"^\s*(?:#|//|/\*|\*|<!--|--|;|\"\"\"|%|\.\.)")


@extractor(version=2, max_bytes=READ_BYTES_MAX)
def text_profile(blob: Blob) -> TextProfile:
    """Tell text from binary, and generated files by what they say of themselves."""
    data = blob.data
    head = data[:8000]
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return TextProfile(True, 0, 0, is_generated=False, is_lfs_pointer=False)
    first_lines = head.split(b"\n", 5)[:5]
    return TextProfile(
        is_binary=False,
        lines=data.count(b"\n") + (not data.endswith(b"\n") and bool(data)),
        longest_line=max(map(len, data.split(b"\n")), default=0),
        is_generated=any(_GENERATED_MARK.search(line) and _COMMENT_START.match(line) for line in first_lines),
        is_lfs_pointer=data.startswith(b"version https://git-lfs.github.com/spec/"),
    )


# --- classes by path -------------------------------------------------------------------------------------

_VENDORED_PATH = regex(
    r"(?:^|/)(?:vendor|vendors|vendored|_vendor|third[_-]?party|3rdparty|node_modules|bower_components"
    r"|site-packages|Godeps|extern|externals)/"  # not `external`: most often one's own code about others
    r"|(?:^|/)deps/[^/]+/"  # a package each; files right below it are often one's own
    r"|(?:^|/)(?:gradlew(?:\.bat)?|mvnw(?:\.cmd)?|\.yarn/releases/.*|\.pnp\.c?js)$"
    r"|(?:^|/)(?:jquery|bootstrap|d3|react|angular|lodash|underscore|moment)[-.]v?\d[\w.-]*\.(?:js|css)$",
    re.IGNORECASE,
)
_GENERATED_PATH = regex(
    r"(?:\.min\.(?:js|css)|_pb2(?:_grpc)?\.pyi?|\.pb\.(?:go|cc|h|ts|js|rs|dart)|\.pb\.gw\.go|_pb\.(?:js|ts|d\.ts)|\.g\.(?:cs|dart)"
    r"|\.designer\.cs|_generated\.\w+|\.generated\.\w+|\.gen\.go|_gen\.go|zz_generated[\w.]*\.go|\.snap|\.map"
    r"|-snapshot\.\w+|\.ambr|\.bundle\.js|\.approved\.\w+)$"
    r"|(?:^|/)(?:__snapshots__|__generated__|generated|dist|htmlcov)/",
    re.IGNORECASE,
)
LOCK_FILES: Mapping[str, str] = {
    "package-lock.json": "npm-lock",
    "npm-shrinkwrap.json": "npm-lock",
    "yarn.lock": "yarn-lock",
    "pnpm-lock.yaml": "pnpm-lock",
    "bun.lock": "bun-lock",
    "bun.lockb": "bun-lock",
    "poetry.lock": "toml-lock",
    "uv.lock": "toml-lock",
    "pdm.lock": "toml-lock",
    "pylock.toml": "toml-lock",
    "Pipfile.lock": "pipfile-lock",
    "Cargo.lock": "toml-lock",
    "go.sum": "go-sum",
    "Gemfile.lock": "gemfile-lock",
    "composer.lock": "composer-lock",
    "mix.lock": "mix-lock",
    "flake.lock": "flake-lock",
    "packages.lock.json": "nuget-lock",
    "gradle.lockfile": "gradle-lock",
}
"""Lock file name to variant. Lock files are generated, yet rules about dependencies read them."""

_DOC_FOLDER = regex(
    r"(?:^|/)(?:docs?|documentation|manual|website/docs|wiki|changelog\.d|changes\.d|newsfragments)/"
    r"|(?:^|/)versioned_docs/",
    re.IGNORECASE,
)
_DOC_PATH = regex(
    r"(?:^|/)(?:man|man\d)/"
    r"|(?:^|/)(?:README|CHANGE(?:S|LOG)|HISTORY|NEWS|CONTRIBUTING|CODE_OF_CONDUCT|SECURITY|AUTHORS|LICEN[CS]E"
    r"|COPYING|NOTICE|MAINTAINERS|SUPPORT|UPGRADING|MIGRATION|CREDITS|CONTRIBUTORS|INSTALL|TODO|RELEASE)"
    r"[\w.-]*$"
    r"|\.(?:md|mdx|rst|adoc|asciidoc|tex|rdoc|pod|1|3|5|7|8)$",
    re.IGNORECASE,
)
_EXAMPLE_PATH = regex(
    r"\{\{|"  # a template of cookiecutter or the like
    r"(?:^|/)(?:_?examples?|samples?|demos?|demo[_-]apps?|tutorials?|playgrounds?|cookbooks?|docs_src"
    r"|boilerplates?|scaffolds?|starters?|(?:project|app|site|theme|plugin|package)[_-]templates?)/"
    r"|(?:^|/)(?:generators?|create-[\w-]+|schematics|blueprints)/(?:.*/)?(?:templates?|files)/"
    r"|^templates?/(?=.*\.[jt]sx?$)|(?:^|/)examples?[_.][\w.]+$",
    re.IGNORECASE,
)
_TEST_PATH = regex(
    r"(?:^|/)(?:tests?|__tests__|__mocks__|__[a-z_]*(?:tests?|modules|mocks|fixtures|benchmarks?)__|e2e(?:[_-][\w-]+)?"
    r"|(?:integration|unit|functional|acceptance|system|stress|smoke|regression|load|performance)[_-]?tests?"
    r"|tests?[_-](?:data|suites?|cases?|utils?|helpers?|fixtures?|resources?|support|servers?|apps?|projects?"
    r"|integration|e2e|build)"
    r"|test(?:data|suites?|cases?|utils?|helpers?|fixtures?|resources?|support|apps?|projects?)"
    r"|src/(?:test|it|androidTest|integrationTest)|cypress|fuzz(?:_targets|ers?)?)/"
    r"|(?:^|/)(?!(?:[\w.]+-)?tests?/)[\w.-]+[_-]tests?/(?!src/)"
    r"|(?:^|/)[\w]+\.Tests?/"
    r"|^t/|(?:^|/)(?:conftest|test|tests)\.py$",
    re.IGNORECASE,
)
"""Folders and files that hold tests wherever they stand. `tokio-test/src/` is a crate that is shipped, however."""

_WEAK_TEST_PATH = regex(
    r"(?:^|/)(?:specs?|fixtures?|bench(?:es|mark|marks)?|perf|conformance|acceptance|sandbox)/|^(?:testing|t)/",
    re.IGNORECASE,
)
"""Words that name tests at the top of a tree, and production code below its sources: `src/spec/`, `numpy/testing/`."""

_SOURCE_ROOT = regex(r"(?:^|/)(?:src/main|src|lib|pkg|internal)/")
_MAIN_SOURCES = regex(r"(?:^|/)src/main/(?:\w+/)?")
"""Maven's layout: folders below are package names (`org.springframework.samples`), not what the code is for."""

_CONFIG_NAMES = regex(
    r"(?:^|/)(?:\.[^/]+|Dockerfile[\w.-]*|[\w.-]*\.Dockerfile|Containerfile|(?:GNU)?[Mm]akefile[\w.-]*|[\w.-]+\.mk"
    r"|Jenkinsfile[\w.-]*|Procfile|Vagrantfile|Brewfile|requirements[\w.-]*\.(?:txt|in)|constraints[\w.-]*\.txt"
    r"|setup\.cfg|tox\.ini|pytest\.ini|mypy\.ini|noxfile\.py|setup\.py|conf\.py|Pipfile|Gemfile|go\.(?:mod|work)"
    r"|CODEOWNERS|OWNERS|justfile|Justfile|Taskfile[\w.-]*|CMakeLists\.txt|[\w.-]*\.conf(?:ig)?\.[cm]?[jt]s"
    r"|[Gg]ulpfile\.[\w.]+|[Gg]runtfile\.[\w.]+|Rakefile|[\w.-]+\.gemspec|MANIFEST\.in|py\.typed)$"
    r"|(?:^|/)\.(?:github|gitlab|circleci|buildkite|azure-pipelines|husky|vscode|idea|config|devcontainer)/"
    r"|\.(?:ya?ml|toml|jsonc?|json5|ini|cfg|conf|properties|xml|gradle|kts|tf|tfvars|hcl|env|editorconfig|cmake"
    r"|csproj|fsproj|vbproj|sln|props|targets|nix|bazel|bzl|pom|lock|plist|proto|thrift|avsc)$",
)
_BINARY_PATH = regex(
    r"\.(?:png|jpe?g|gif|bmp|ico|icns|webp|avif|tiff?|psd|pdf|zip|gz|tgz|bz2|xz|7z|rar|tar|jar|war|class|pyc|pyd"
    r"|so|dll|dylib|exe|bin|dat|o|a|lib|woff2?|ttf|otf|eot|mp[34]|m4a|wav|ogg|flac|avi|mov|webm|mkv|sqlite3?|db"
    r"|whl|egg|gem|nupkg|apk|ipa|dmg|iso|wasm|parquet|npy|npz|pkl|h5|onnx|pt|p12|pfx|jks|keystore|mo)$",
    re.IGNORECASE,
)
_BACKUP_NAME = regex(r"(?:^|/)([^/]*backup(?:[^/]*[-_. ])?\d+)(?=/)", re.IGNORECASE)
"""`backup2`, `shop-backup-2023-01-02`; not `backup-s3` and `backup_v2`, which are software for backups."""

_FORMATS_BY_NAME: Sequence[tuple[re.Pattern[str], str]] = tuple(
    (regex(pattern), variant)
    for pattern, variant in (
        (r"^(?:Dockerfile|Containerfile)(?:[.-][\w.-]+)?$|\.[Dd]ockerfile$", "dockerfile"),
        (r"^(?:GNU)?[Mm]akefile(?:\.[\w.-]+)?$|\.mk$", "makefile"),
        (r"^(?:requirements|constraints)[\w.-]*\.(?:txt|in)$", "requirements"),
        (r"^go\.(?:mod|work)$", "go-mod"),
        (r"^(?:CODEOWNERS|OWNERS|MAINTAINERS)$", "owners"),
        (r"^\.(?:git|docker|npm|eslint|prettier|style)ignore$", "ignore"),
        (r"^\.gitattributes$", "attributes"),
        (r"^\.mailmap$", "mailmap"),
        (r"^\.gitmodules$|^setup\.cfg$|\.(?:ini|cfg)$|^\.(?:flake8|coveragerc|pylintrc|editorconfig)$", "ini"),
        (r"^\.clang-format$|\.(?:ya?ml)$", "yaml"),
        (r"^Pipfile$|\.toml$", "toml"),
        (r"^\.(?:babelrc|eslintrc|prettierrc|jshintrc|nycrc)$|\.json[c5]?$", "json"),
        (r"\.(?:csproj|fsproj|vbproj|props|targets|xml|pom|nuspec|plist)$", "xml"),
        (r"(?i:\.(?:md|mdx|markdown))$", "markdown"),
        (r"\.rst$", "rst"),
        (r"(?i:\.(?:adoc|asciidoc))$", "asciidoc"),
        (r"\.(?:sh|bash|zsh|ksh)$", "shell"),
        (r"^Jenkinsfile", "jenkinsfile"),
    )
)


@functools.cache
def _variants_by_ending() -> dict[str, str]:
    return {ending: variant for language in languages() for ending, variant in language.extensions.items()}


@functools.cache
def _variants_by_name() -> dict[str, str]:
    return {name: variant for language in languages() for name, variant in language.file_names.items()}


@functools.lru_cache(maxsize=65536)
def variant_of(path: str) -> str:
    """Grammar variant or format of a path; 'text' when nothing special reads it."""
    name = path.rpartition("/")[2]
    if name in LOCK_FILES:
        return LOCK_FILES[name]
    if name in _variants_by_name():
        return _variants_by_name()[name]
    _, dot, ending = name.rpartition(".")
    if dot and (variant := _variants_by_ending().get(dot + ending)):
        return variant
    for pattern, variant in _FORMATS_BY_NAME:
        if pattern.search(name):
            return variant
    return "text"


@functools.lru_cache(maxsize=65536)
def class_of_path(path: str) -> FileClass:
    """File class by path alone; attributes and content may still change it."""
    name = path.rpartition("/")[2]
    if _VENDORED_PATH.search(path):
        return FileClass.VENDORED
    if name in LOCK_FILES or _GENERATED_PATH.search(path):
        return FileClass.GENERATED
    if _BINARY_PATH.search(name):
        return FileClass.BINARY
    if (language := language_of(variant_of(path))) is not None:
        return _class_of_code(path, language)
    if _TEST_PATH.search(path) or _is_weak_test(path):
        return FileClass.TEST
    if _EXAMPLE_PATH.search(path):
        return FileClass.EXAMPLE
    if _CONFIG_NAMES.search(path) and not _DOC_FOLDER.match(path):
        return FileClass.CONFIG
    if _DOC_PATH.search(path) or _DOC_FOLDER.search(path):
        return FileClass.DOCS
    return FileClass.PRODUCTION


def _class_of_code(path: str, language: Language) -> FileClass:
    if language.is_test_path(path):
        return FileClass.TEST
    if main := _MAIN_SOURCES.search(path):
        path = path[: main.start() + 1] + path.rpartition("/")[2]
    if _TEST_PATH.search(path) or _is_weak_test(path):
        return FileClass.TEST
    if _CONFIG_NAMES.search(path):
        return FileClass.CONFIG
    if _EXAMPLE_PATH.search(path):
        return FileClass.EXAMPLE
    root = _SOURCE_ROOT.search(path)
    if _DOC_FOLDER.search(path if root is None else path[: root.start() + 1]):
        return FileClass.DOCS
    return FileClass.PRODUCTION


def _is_weak_test(path: str) -> bool:
    root = _SOURCE_ROOT.search(path)
    return _WEAK_TEST_PATH.search(path if root is None else path[: root.start() + 1]) is not None


def classify(
    entry: TreeEntry,
    attributes: AttributeRules,
    profile: TextProfile | None,
    *,
    virtualenvs: Sequence[str] = (),
    backup_of: str = "",
) -> SourceFile:
    """Say what one tracked file is for.

    `profile` None means that the content is not known (yet, or because it is too large): the path decides.
    """
    file_class = class_of_path(entry.path)
    if any(entry.path.startswith(folder) for folder in virtualenvs):
        file_class = FileClass.VENDORED
    marks = attributes.of(entry.path)
    if marks.get("linguist-vendored") == "true":
        file_class = FileClass.VENDORED
    elif marks.get("linguist-generated") == "true":
        file_class = FileClass.GENERATED
    elif marks.get("linguist-documentation") == "true":
        file_class = FileClass.DOCS
    elif (file_class is FileClass.VENDORED and marks.get("linguist-vendored") == "false") or (
        file_class is FileClass.GENERATED and marks.get("linguist-generated") == "false"
    ):
        file_class = FileClass.PRODUCTION
    if profile is not None:
        if profile.is_binary or profile.is_lfs_pointer:
            file_class = FileClass.BINARY
        elif file_class in {FileClass.PRODUCTION, FileClass.TEST, FileClass.EXAMPLE, FileClass.CONFIG} and (
            profile.is_generated or (profile.longest_line > 5000 and language_of(variant_of(entry.path)))
        ):
            file_class = FileClass.GENERATED
    return SourceFile(
        path=entry.path,
        oid=entry.oid,
        size=entry.size,
        file_class=file_class,
        variant="" if file_class is FileClass.BINARY else variant_of(entry.path),
        backup_of=backup_of,
    )


def find_virtualenvs(entries: Iterable[TreeEntry]) -> tuple[str, ...]:
    """Folders, each with its final '/', that hold a committed virtual environment."""
    return tuple(
        sorted(entry.path.removesuffix("pyvenv.cfg") for entry in entries if entry.path.endswith("/pyvenv.cfg"))
    )


def find_backup_trees(entries: Sequence[TreeEntry]) -> dict[str, str]:
    """Folders that are copies kept beside the original: folder (with final '/') to the reason.

    A folder is a backup tree when its name says so (`*backup*<digits>`), or when at least
    BACKUP_DUPLICATE_SHARE of its production source files (BACKUP_FILES_MIN or more) stand in one other folder
    that is neither inside it nor around it, under the same names below the folder. Of two equal folders the one
    whose path is longer, then later in order, is the copy. Fixtures, examples, translations, versioned
    documentation and build output repeat each other on purpose, so only production source code is compared.
    """
    found: dict[str, str] = {}
    for entry in entries:
        if match := _BACKUP_NAME.search(entry.path):
            found.setdefault(entry.path[: match.end(1)] + "/", "its name says backup")
    folders: dict[str, dict[str, str]] = defaultdict(dict)
    for entry in entries:
        if entry.size < 64 or entry.is_link or entry.is_submodule:  # tiny files are equal by accident
            continue
        if language_of(variant_of(entry.path)) is None or class_of_path(entry.path) is not FileClass.PRODUCTION:
            continue
        parts = entry.path.split("/")
        for depth in range(1, len(parts)):
            folders["/".join(parts[:depth]) + "/"]["/".join(parts[depth:])] = entry.oid
    large = {folder: content for folder, content in folders.items() if len(content) >= BACKUP_FILES_MIN}
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for folder, content in large.items():
        for relative, oid in content.items():
            places[relative, oid].append(folder)
    for folder, content in sorted(large.items(), key=lambda item: (len(item[0]), item[0])):
        if any(folder.startswith(outer) for outer in found):
            continue
        shared: Counter[str] = Counter()
        for relative, oid in content.items():
            shared.update(
                other
                for other in places[relative, oid]
                if not other.startswith(folder) and not folder.startswith(other)
            )
        for other, equal in sorted(shared.items(), key=lambda item: (-item[1], item[0])):
            is_later = (len(folder), folder) > (len(other), other)
            if equal >= BACKUP_DUPLICATE_SHARE * len(content) and is_later:
                found[folder] = f"{equal} of its {len(content)} files equal those in {other}"
                break
    return found
