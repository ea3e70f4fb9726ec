"""The language packs of the panel: what JupyterLab finds under `jupyterlab.languagepack`.

`ko_KR/LC_MESSAGES/mlops_nb.json` has the Korean sentence for each English one of
`labextension/src`.
"""

from importlib.metadata import EntryPoint, entry_points

GROUP = "jupyterlab.languagepack"


class LanguagePack:
    """Offers a language in JupyterLab's menu, also where JupyterLab has no pack of its own.

    JupyterLab takes one pack a language and adds the sentences of extensions to it. Where another
    package offers the language, its pack is that one, so that JupyterLab stays translated.
    """

    def __init__(self, language: str) -> None:
        self.language = language

    @property
    def __file__(self) -> str:
        """The file whose folder JupyterLab searches for sentences."""
        for entry in entry_points(group=GROUP, name=self.language):
            if not _is_own(entry):
                return str(entry.load().__file__)
        return __file__


def _is_own(entry: EntryPoint) -> bool:
    return entry.module == __name__


korean = LanguagePack("ko_KR")
