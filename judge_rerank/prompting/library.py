"""Prompts: files that say how the judge is asked, found by name, checked when they are loaded.

A template is a text file `<task>/<name>.j2`:

    ---
    task: score                      # binary, score, listwise, first, setwise, pairwise or classify
    name: strict
    description: One line for people who choose between prompts.
    version: 1
    output_tokens: 200               # optional: room for the reply, where the task's own figure is too small
    levels:                          # optional, for `score`: 2 to 10 grades in words, from the lowest to the highest
      - off topic
      - answers the query
    examples:                        # optional: whatever the text below does with it
      - {query: who wrote Dune, document: Dune is a novel by Frank Herbert., answer: 10}
    ---
    system:
    You rate documents.
    user:
    {% for example in examples %}{{ example.document }}: {{ example.answer }}
    {% endfor %}
    <query>{{ query }}</query>
    {% for document in documents %}
    [{{ document.id }}] {% if document.title %}{{ document.title }}: {% endif %}{{ document.text }}
    {% endfor %}
    {{ reply_format }}

`system:` (optional) and `user:` each stand alone on a line, from its first column, and are found before anything is
filled in: no document can begin a part. The variables are `query` (text), `documents` (each with `id`, counted from 1,
`title`, empty where there is none, and `text`), `n` (how many there are), `levels`, `examples`, `options` (the labels
of a task that chooses; for `pairwise` and `setwise` A, B, C …, each the letter of a document), `reply_format` (the
sentence that says how to answer), `explain` and `labels` (whether a reason, or a single word, is wanted) and
`instruction` (what is to be heeded beside the query, "" for nothing). An instruction that a template does not place
stands before its user part, under a line that says what it is. The query, the instruction and the documents come quoted
(see `judge_rerank.prompting.escaping`), for which the tags in the template's own text count as delimiters. The query
and the documents may stand in the user part only. What Jinja can do is bounded (see `judge_rerank.prompting.sandbox`).

Tags around documents are sent with a word that no document can know: `<document:bkrtqz>` for `<document>` (see
`judge_rerank.prompting.fences`). For other delimiters there is `fence()`, which is that word alone, and
`fence("passage")`, which is a tag: `### Document {{ document.id }} {{ fence() }}`.

A prompt for decision models (see `Question`) has the parts `state:` and `question:` instead. The state shows the query
and the documents once. The question is filled in for each document, which it names by `{{ document.id }}`; for a task
that chooses, once. A decision model answers in numbers, so there is no `reply_format`, and a task that it answers with
a score needs `levels`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from judge_rerank.core import InputError, PromptError, Query, SetupError, Trust, UnknownName, prompt_text
from judge_rerank.prompting.decision_parts import QUESTION_VARIABLES, STATE_VARIABLES, check_question
from judge_rerank.prompting.front_matter import Parsed, Section, parse, read
from judge_rerank.prompting.sandbox import Part, compile_part
from judge_rerank.prompting.tasks import TASKS, asked_by
from judge_rerank.prompting.template import DECISION_PROMPT, OUTSIDE, VARIABLES, Shown, Template

_SUFFIX = ".j2"
_HINT = "A file of your own is named by its path, ending in .j2; a folder of them is given as prompts=."
_SAMPLE_QUERY = Query(text="sample query")
_SAMPLE_INSTRUCTION = "sample instruction"
_OPTIONS = ("factual", "semantic", "complex")
_SAMPLES = (
    Shown(id=1, title="sample title", text="first sample text"),
    Shown(id=2, title=None, text="second sample text"),
    Shown(id=3, title="sample title", text="third sample text"),
)


class Library:
    """The prompts there are: those in the given folders, then the built-in ones.

    A folder holds `<name>.j2` files and folders of them: `<task>/<name>.j2`, or `<any>/<name>.j2` for the name
    "any/name". Every one of them is checked at once. A prompt of the same name in an earlier folder comes first.

    Raises:
        PromptError: a folder that is missing or without templates, or a template that cannot be used.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = tuple(Path(folder).expanduser() for folder in folders)
        self._loaded: dict[Path, Template] = {}
        self._files: dict[str, tuple[Path, Path]] = {}
        for folder in self._folders:
            for path in template_files(folder):
                self._files.setdefault(self._load(path, folder).name, (path, folder))
        builtin = builtin_folder()
        for path in template_files(builtin):
            self._files.setdefault(f"{path.parent.name}/{path.stem}", (path, builtin))

    def get(self, task: str, name: str | None = None, *, decides: bool = False, trust: Trust = "trusted") -> Template:
        """The prompt of a name.

        Args:
            task: what it must ask.
            name: "rubric", "score/rubric", "my/template", a path to one `.j2` file, or None for the task's default.
            decides: whether a decision model is asked.
            trust: "untrusted" for the prompt that is made for documents of strangers, where the task has one and none
                is named.

        Raises:
            UnknownName: no task or no prompt has that name.
            PromptError: it asks for another task or another kind of model, or the file cannot be used.
        """
        if task not in TASKS:
            raise UnknownName("task", task, TASKS)
        if name is None:
            name = self._usual(task, decides=decides, trust=trust)
        name = str(name)
        if "/" in name or name.endswith(_SUFFIX):
            template = self.find(name)
        elif f"{task}/{name}" in self._files:
            template = self.find(f"{task}/{name}")
        else:
            same = (template for template in self.all() if (template.task, template.decides) == (task, decides))
            known = [template.name.removeprefix(f"{task}/") for template in same]
            raise UnknownName(f"{task} prompt", name, known, _HINT)
        if template.task != task:
            msg = f"The prompt {template.name!r} is for the task {template.task!r}, and {task!r} was expected here."
            raise PromptError(msg, path=template.path)
        if template.decides != decides:
            asked, wanted = ("decision", "state: and question:") if decides else ("chat", "user:")
            msg = f"The prompt {template.name!r} is not for a {asked} model, whose prompts have the parts {wanted}."
            raise PromptError(msg, path=template.path)
        return template

    def _usual(self, task: str, *, decides: bool, trust: Trust) -> str:
        if decides:
            return DECISION_PROMPT
        return trust if f"{task}/{trust}" in self._files else TASKS[task].prompt

    def find(self, name: str) -> Template:
        """The prompt of a full name ("score/rubric"), or in a `.j2` file, whatever it asks.

        Raises:
            UnknownName: no prompt has that name.
            PromptError: the file cannot be used.
        """
        if name.endswith(_SUFFIX):
            places = (Path(name).expanduser(), *(folder / name for folder in self._folders))
            return self._load(next((place for place in places if place.is_file()), places[0]))
        if name not in self._files:
            raise UnknownName("prompt", name, self.names(), _HINT)
        return self._load(*self._files[name])

    def names(self, task: str | None = None) -> list[str]:
        """Full names of all prompts, or of those of one task, sorted."""
        return [template.name for template in self.all() if task in (None, template.task)]

    def all(self) -> tuple[Template, ...]:
        """Every prompt, sorted by name."""
        return tuple(self._load(*place) for _, place in sorted(self._files.items()))

    def _load(self, path: Path, folder: Path | None = None) -> Template:
        if path not in self._loaded:
            self._loaded[path] = load(path, folder=folder)
        return self._loaded[path]


def load(path: Path, *, folder: Path | None = None) -> Template:
    """Read and check one template.

    Args:
        path: the file.
        folder: the folder of templates that it is part of, from which it has its name; without one the name is what
            the file says of itself.

    Raises:
        PromptError: anything that is wrong with it, with the line.
    """
    source = read(path)
    parsed = parse(source, path=path, tasks=tuple(TASKS))
    front = parsed.front
    main = "state" if "state" in parsed.parts else "user"
    user, system = _compiled(parsed, main, path), _compiled(parsed, "system", path)
    question = _compiled(parsed, "question", path) if main == "state" else None
    if main == "user":
        try:
            asked_by(front.task, len(front.levels))
        except InputError as error:
            raise PromptError(str(error), path=path, line=parsed.lines["levels"]) from None
    for name in ("query", "options" if front.task == "classify" else "documents"):
        if name not in user.names | system.names:
            msg = f"The template never uses {name!r}, without which a judge has nothing to judge."
            raise PromptError(msg, path=path, line=parsed.parts[main].first_line)
    template = Template(
        task=front.task,
        name=_name(parsed, path, folder),
        description=front.description.strip(),
        version=str(front.version),
        output_tokens=front.output_tokens,
        levels=tuple(" ".join(level.split()) for level in front.levels),
        examples=tuple(MappingProxyType(example) for example in front.examples),
        hash=hashlib.sha256(source.encode()).hexdigest(),
        path=path,
        source=source,
        _system=system,
        _user=user,
        _question=question,
    )
    if question is not None:
        line = parsed.parts["question"].first_line
        known = template.constants(len(_SAMPLES), _OPTIONS)
        check_question(question, TASKS[front.task].decision, template.levels, known, path=path, line=line)
    return replace(template, batches=_rehearse(template, line=parsed.parts[main].first_line))


def template_files(folder: Path) -> list[Path]:
    """The `.j2` files of a folder and of the folders in it, sorted.

    Raises:
        PromptError: there is no such folder, or no template in it.
    """
    if folder.is_file():
        msg = "Expected a folder of templates. To use one file, name it as the prompt: Score(prompt='file.j2')."
        raise PromptError(msg, path=folder)
    if not folder.is_dir():
        msg = "There is no such folder of templates."
        raise PromptError(msg, path=folder)
    files = sorted([*folder.glob("*.j2"), *folder.glob("*/*.j2")])
    if not files:
        msg = "There are no templates (<task>/<name>.j2) in this folder."
        raise PromptError(msg, path=folder)
    return files


def builtin_folder() -> Path:
    """Where the built-in prompts are: in the installed package, or beside it in a source tree."""
    spec = find_spec("judge_rerank.prompts")
    places = [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
    # An editable install leaves the folder where it is, and its import hook does not tell of folders without modules.
    places.append(Path(__file__).resolve().parents[2] / "prompts")
    for place in places:
        if any(place.glob("*/*.j2")):
            return place
    msg = "The built-in prompts are missing. Install the package again: pip install --force-reinstall judge-rerank"
    raise SetupError(msg)


def _compiled(parsed: Parsed, part: str, path: Path) -> Part:
    section = parsed.parts.get(part, Section(text="", first_line=1))
    allowed = {"user": VARIABLES, "state": STATE_VARIABLES, "question": QUESTION_VARIABLES}.get(
        part, VARIABLES - OUTSIDE
    )
    return compile_part(
        section.text,
        path=path,
        first_line=section.first_line,
        allowed=allowed,
        shows_documents=part in ("user", "state"),
    )


def _name(parsed: Parsed, path: Path, folder: Path | None) -> str:
    front = parsed.front
    if folder is None:
        return front.name if "/" in front.name else f"{front.task}/{front.name}"
    under = front.task if path.parent == folder else path.parent.name
    if under in TASKS and under != front.task:
        msg = f"The template is for the task {front.task!r} but is in the folder {under!r}. Move it, or correct it."
        raise PromptError(msg, path=path, line=parsed.lines["task"])
    name = f"{under}/{path.stem}"
    if front.name not in (path.stem, name):
        msg = f"The template has the name {front.name!r}, and its file {path.stem!r}. Give both the same name."
        raise PromptError(msg, path=path, line=parsed.lines["name"])
    return name


def _rehearse(template: Template, *, line: int) -> bool:
    """Whether it shows several documents; found by rendering it in every mode, so that mistakes show on loading."""
    everything = True
    for explain, labels in ((False, False), (False, True), (True, False)):
        for shown in ((),) if template.task == "classify" else (_SAMPLES[:1], _SAMPLES):
            messages = template.render(
                query=_SAMPLE_QUERY,
                documents=shown,
                reply_format="sample format",
                options=_OPTIONS,
                explain=explain,
                labels=labels,
                instruction=_SAMPLE_INSTRUCTION if template.places_instruction else "",
            )
            if template.places_instruction and _SAMPLE_INSTRUCTION not in prompt_text(messages):
                msg = "The template does not show the instruction in every case: {{ instruction }}."
                raise PromptError(msg, path=template.path, line=line)
            text = messages[-1].content.casefold()
            if _SAMPLE_QUERY.text not in text:
                msg = "The template does not show the query: {{ query }}."
                raise PromptError(msg, path=template.path, line=line)
            complete = all(document.text in text for document in shown)
            if not complete and (len(shown) == 1 or TASKS[template.task].compares):
                msg = "The template does not show the text of every document: {{ document.text }} in a loop over them."
                raise PromptError(msg, path=template.path, line=line)
            everything = everything and complete
    return everything


def prompt_folders(prompts: str | Path | Sequence[str | Path] | None) -> list[Path]:
    """The folders of templates."""
    if prompts is None:
        return []
    several = [prompts] if isinstance(prompts, (str, Path)) else prompts
    return [Path(folder).expanduser() for folder in several]
