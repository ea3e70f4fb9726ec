"""Lists the effects of well-known functions, methods and magics, by name."""

import ast
from collections.abc import Mapping

from ..introspect import words

USUAL_ALIASES = {
    "np": "numpy",
    "pd": "pandas",
    "plt": "matplotlib.pyplot",
    "sns": "seaborn",
    "tf": "tensorflow",
}

# methods that change their object, for objects of any class
MUTATORS = words(
    """
    append appendleft extend extendleft insert pop popleft popitem remove discard clear sort
    reverse update setdefault add subtract put push fit fit_transform fit_resample partial_fit
    train eval_ step backward zero_grad compile load_state_dict register write writelines close
    shuffle intersection_update difference_update symmetric_difference_update resize fill itemset
    setflags rotate
    """
)
MUTATOR_PREFIXES = ("set_", "add_", "remove_", "update_", "register_", "insert_", "load_")

# methods that only display something, even if their result is not used
SHOWS = words(
    """
    plot hist show describe head tail info boxplot scatter bar barh pie line box kde density
    hexbin area value_counts display summary sample memory_usage print imshow legend set_title
    set_xlabel set_ylabel set_xlim set_ylim tight_layout suptitle
    """
)
PLOTTING = ("matplotlib", "seaborn", "plotly", "altair", "bokeh", "hvplot", "holoviews")

# functions that change an argument: dotted path → its position
CHANGES_ARGUMENT = {
    "random.shuffle": 0,
    "numpy.random.shuffle": 0,
    "numpy.put": 0,
    "numpy.copyto": 0,
    "numpy.fill_diagonal": 0,
    "numpy.place": 0,
    "heapq.heappush": 0,
    "heapq.heappop": 0,
    "heapq.heapify": 0,
    "bisect.insort": 0,
    "setattr": 0,
    "delattr": 0,
    "next": 0,
}

# hidden channels: dotted prefix → (channel, reads, changes); the longest prefix decides
CHANNELS: dict[str, tuple[str, bool, bool]] = {
    "random": ("rng:random", True, True),
    "random.seed": ("rng:random", False, True),
    "random.Random": ("", False, False),
    "random.SystemRandom": ("", False, False),
    "numpy.random": ("rng:numpy", True, True),
    "numpy.random.seed": ("rng:numpy", False, True),
    "numpy.random.default_rng": ("", False, False),
    "numpy.random.Generator": ("", False, False),
    "numpy.random.RandomState": ("", False, False),
    "torch.manual_seed": ("rng:torch", False, True),
    "torch.rand": ("rng:torch", True, True),
    "torch.randn": ("rng:torch", True, True),
    "torch.randint": ("rng:torch", True, True),
    "torch.randperm": ("rng:torch", True, True),
    "tensorflow.random.set_seed": ("rng:tensorflow", False, True),
    "os.getenv": ("env", True, False),
    "os.putenv": ("env", False, True),
    "os.unsetenv": ("env", False, True),
    "os.environ": ("env", True, False),
    "os.environ.update": ("env", False, True),
    "os.environ.setdefault": ("env", True, True),
    "os.environ.pop": ("env", True, True),
    "os.chdir": ("cwd", False, True),
    "os.getcwd": ("cwd", True, False),
    "os.system": ("shell", True, True),
    "subprocess": ("shell", True, True),
    "warnings.filterwarnings": ("warnings", False, True),
    "warnings.simplefilter": ("warnings", False, True),
    "warnings.resetwarnings": ("warnings", False, True),
    "pandas.set_option": ("pandas.options", False, True),
    "pandas.reset_option": ("pandas.options", False, True),
    "matplotlib.pyplot.style.use": ("matplotlib", False, True),
    "matplotlib.pyplot.rc": ("matplotlib", False, True),
    "matplotlib.rc": ("matplotlib", False, True),
    "matplotlib.use": ("matplotlib", False, True),
    "seaborn.set": ("matplotlib", False, True),
    "seaborn.set_theme": ("matplotlib", False, True),
    "seaborn.set_style": ("matplotlib", False, True),
    "seaborn.set_palette": ("matplotlib", False, True),
    "seaborn.set_context": ("matplotlib", False, True),
    "numpy.seterr": ("numpy.err", False, True),
    "numpy.set_printoptions": ("numpy.print", False, True),
    "locale.setlocale": ("locale", False, True),
}

CHANNELS_OF_MAGICS = {"env": "env", "set_env": "env", "cd": "cwd", "pushd": "cwd", "popd": "cwd"}

# methods and functions that read or write a file → position of the argument that names it
READS_FILE = dict.fromkeys(
    words(
        """
        read_csv read_parquet read_json read_excel read_feather read_pickle read_table read_hdf
        read_orc read_stata loadtxt genfromtxt imread scan_parquet scan_csv
        """
    ),
    0,
)
WRITES_FILE = dict.fromkeys(
    words(
        """
        to_csv to_parquet to_json to_excel to_feather to_pickle to_hdf savefig savetxt write_csv
        write_parquet write_html imsave
        """
    ),
    0,
) | dict.fromkeys(words("write_text write_bytes"), -1)
FILES_OF_MODULES = {
    "numpy.load": ("read", 0),
    "numpy.save": ("write", 0),
    "numpy.savez": ("write", 0),
    "joblib.load": ("read", 0),
    "joblib.dump": ("write", 1),
}

# functions that print or display their arguments, and methods that print or display their object
SHOWING = words(
    """
    print display repr str format pprint display_html display_latex display_markdown
    display_pretty array2string array_repr array_str
    """
)
WRITES = words("to_string to_html to_latex _repr_html_ info __repr__ __str__")

# functions that may read any name
DYNAMIC = words("exec eval globals locals vars dir")

# IPython: methods that run a magic or a command, and the names of magics
IPYTHON = words("system getoutput run_line_magic run_cell_magic")
SHELLS = words(
    """
    bash sh script system sx sc run cd writefile pushd cat cp file less ll ls mkdir more mv rm
    rmdir perl ruby python python2 python3 pypy cmd
    """
)
EXPANDED = words("sx system !")  # cell magics in which IPython expands `$name` everywhere
SHELL_CELLS = EXPANDED | words("bash sh script writefile file")
LITERAL = words("html javascript js latex markdown svg")  # their text is only displayed
TIMED = words("time timeit capture")  # they run the statements that they are given
PYTHON = words(
    """
    prun lprun memit mprun debug pinfo pinfo2 pdoc pdef psource pfile
    """
)


def dotted(node: ast.expr) -> tuple[str, ...]:
    """Return the dotted path of `a.b.c` without subscripts, or () for other expressions.

    >>> dotted(ast.parse("a.b[0].c", mode="eval").body)
    ('a', 'b', 'c')
    """
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Subscript):
            node = node.value
        elif isinstance(node, ast.Name):
            return (node.id, *reversed(parts))
        else:
            return ()


def resolved(path: tuple[str, ...], imports: Mapping[str, str]) -> str:
    """Return a dotted path with its first name replaced by the dotted path of its import.

    >>> resolved(("np", "random", "seed"), {"np": "numpy"})
    'numpy.random.seed'
    """
    if not path:
        return ""
    root = imports.get(path[0])
    return ".".join((root, *path[1:])) if root else ""


def channel_of(path: str) -> tuple[str, bool, bool]:
    """Return (channel, reads, changes) of a resolved call, or ("", False, False).

    >>> channel_of("numpy.random.rand")
    ('rng:numpy', True, True)
    """
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        if (found := CHANNELS.get(".".join(parts[:end]))) is not None:
            return found
    return ("", False, False)


def mutates(method: str) -> bool:
    """Say whether a method with this name probably changes its object."""
    return method not in SHOWS and (method in MUTATORS or method.startswith(MUTATOR_PREFIXES))
