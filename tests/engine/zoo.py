"""Notebooks of awkward cells, by theme: whatever runs them must show the same."""

ERROR = "# raises"  # a cell that begins so may raise

DISPLAY = (
    "from IPython.display import *\nHTML('<b>x</b>')",
    "display(Markdown('# a'), Latex('$x$'), JSON({'a': [1, 2]}))\n1",
    "h = display('one', display_id=True)\nh.update('two')",
    "h.update('three')",
    "display('a', display_id='z'); display('b', display_id='z', update=True)",
    "print('gone')\nclear_output()\nprint('stays')",
    "print('goes later')\nclear_output(wait=True)\nprint('next')",
    "for i in range(3):\n    clear_output(wait=True); print(i)",
    "class R:\n    def _repr_html_(self): return '<i>r</i>'\n    def _repr_png_(self): return b'\\x89PNG'\nR()",
    "class M:\n    def _repr_mimebundle_(self, **k): return {'text/plain': 'm', 'application/x+json': {'k': 1}}\nM()",
    "class Bad:\n    def __repr__(self): raise ValueError('no repr')\ndisplay(Bad())",
    "Image(data=b'\\x89PNG\\r\\n\\x1a\\n' + b'0' * 64, format='png')",
    "SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>')",
    "None", "_ = 5", "5;", "'a'\n'b'", "{1: 'x' * 500}", "list(range(2000))",
    "import sys\nsys.displayhook(7)", "print('é ✓ \\U0001F600')\n'ü'", "Out[19]",
    "%who", "%pwd", "%%html\n<p>", "%%javascript\n1", "%%latex\n$a$",
    "from pprint import pprint\npprint({'a': list(range(40))})", "print?",
)  # fmt: skip

STREAMS = (
    "print('a'); print('b', end='')",
    "import sys\nprint('out'); print('err', file=sys.stderr)",
    "sys.stdout.write('x\\n')", "print('flush', flush=True)", "sys.stdout.writelines(['1\\n', '2\\n'])",
    "!echo shell", "!echo one; echo two >&2", "files = !echo a; echo b\nfiles", "!exit 3\n", "_exit_code",
    "import os\nos.system('echo system')", "os.write(1, b'fd\\n')",
    "import subprocess\nsubprocess.run(['echo', 'child'])",
    "subprocess.run('echo e >&2', shell=True).returncode",
    "print('before'); os.system('echo inside'); print('after')",
    "import threading\nt = threading.Thread(target=print, args=('thread',)); t.start(); t.join()",
    "import multiprocessing as mp\nwith mp.get_context('fork').Pool(2) as p: print(p.map(abs, [-1, -2]))",
    "import warnings\nwarnings.warn('careful')", "import logging\nlogging.warning('logged')",
    "logging.basicConfig(level='INFO', force=True)\nlogging.info('again')",
    "%%bash\necho bash\necho bad >&2", "%%capture c\nprint('kept')", "c.stdout", "%%writefile x.txt\nhello",
    "%%sh\ncat x.txt", "print('x' * 300_000)", "for i in range(3000): print(i)",
    "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as s: print('in')\ns.getvalue()",
    "from tqdm import tqdm\nfor _ in tqdm(range(3), bar_format='{n}/{total}'): pass",
    "sys.stdout.isatty(), sys.stdin.isatty() if sys.stdin else None",
    "%%time\nx = 1" if False else "x = 1", "%env FOO=bar", "os.environ['FOO'], os.environ['TERM'], os.environ.get('MPLBACKEND')",
    "__name__, type(get_ipython()).__name__, 'zmq' in str(type(get_ipython())).lower()",
    "import asyncio\nawait asyncio.sleep(0.01)\n'awaited'", "async def f(): return 4\nawait f()",
    "task = asyncio.create_task(f())", "await task", "async with asyncio.timeout(1): print('in time')",
    "asyncio.get_event_loop().is_running()",
    "print(sys.argv[0].rpartition('/')[2])", "sys.path[0]", "os.getcwd() == os.path.realpath('.')",
)  # fmt: skip

ERRORS = (
    "# raises\n1 / 0", "# raises\ndef f(): g()\ndef g(): raise KeyError('k')\nf()",
    "# raises\nx =", "# raises\n  y = 1", "# raises\nimport nothing_of_that_name",
    "# raises\n%nosuchmagic", "# raises\n!false\nraise SystemExit(2)", "# raises\ninput('name? ')",
    "# raises\nimport getpass\ngetpass.getpass()",
    "# raises\nimport asyncio\nasyncio.run(asyncio.sleep(0))",
    "# raises\nraise ExceptionGroup('g', [ValueError('a'), TypeError('b')])",
    "# raises\ntry:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('two') from e",
    "# raises\nassert 1 == 2, 'unequal'", "# raises\nawait asyncio.wait_for(asyncio.sleep(5), 0.01)",
    "# raises\nclass E(Exception):\n    def _render_traceback_(self): return ['my own']\nraise E()",
    "# raises\nfrom IPython.display import display\nclass B:\n    def __repr__(self): raise ValueError('r')\nB()",
    "# raises\nKeyboardInterrupt()\nraise KeyboardInterrupt", "print('still here')", "In[1], _i",
)  # fmt: skip

SCIENCE = (
    "import numpy as np, pandas as pd\nnp.arange(3)",
    "pd.DataFrame({'a': [1, 2], 'b': ['x', None]})",
    "pd.DataFrame(np.zeros((3, 40)))", "pd.DataFrame({'a': range(100)})", "pd.Series([1.5, 2], name='s')",
    "pd.DataFrame({'a': [1]}).style", "pd.Timestamp('2026-01-01'), pd.NA",
    "import matplotlib.pyplot as plt\nplt.plot([1, 2])", "fig, ax = plt.subplots(figsize=(1, 1))\nax.plot([1])",
    "plt.scatter([1], [2]); plt.show()", "fig", "%matplotlib inline", "plt.figure(figsize=(1, 1)); plt.plot([3])\n'after'",
    "plt.rcParams['backend'], plt.rcParams['figure.dpi']",
    "from sklearn.linear_model import LinearRegression\nLinearRegression().fit([[1], [2]], [1, 2])",
    "from sklearn.ensemble import RandomForestClassifier\nRandomForestClassifier(4, n_jobs=2, random_state=0)"
    ".fit([[0], [1]] * 20, [0, 1] * 20).predict([[1]])",
    "from joblib import Parallel, delayed\nParallel(2)(delayed(abs)(-i) for i in range(3))",
    "import random, numpy\nrandom.seed(1); numpy.random.seed(1)\nrandom.random(), numpy.random.rand()",
    "(np.ones((300, 300)) @ np.ones((300, 300))).sum()",
    "np.random.default_rng(0).normal(size=3)", "pd.options.display.max_rows",
    "import decimal\ndecimal.getcontext().prec", "warn = pd.DataFrame({'a': [1]}).a\nwarn.dtype",
)  # fmt: skip

# what is set before an import decides what it does
IMPORTS = (
    "import os\nos.environ['OPENBLAS_NUM_THREADS'] = '1'", "%env MKL_NUM_THREADS=1",
    "import numpy\nfrom threadpoolctl import threadpool_info\n"
    "sorted((i['internal_api'], i['num_threads']) for i in threadpool_info())",
    "os.environ['OMP_NUM_THREADS'] = str(1)",
    "from sklearn.tree import DecisionTreeClassifier\n"
    "sorted((i['internal_api'], i['num_threads']) for i in threadpool_info())",
    "os.makedirs('newer', exist_ok=True)\nopen('newer/six.py', 'w').write('__version__ = \"mine\"')",
    "import sys\nsys.path.insert(0, 'newer')\nimport six\nsix.__version__",
)  # fmt: skip

THEMES = {"display": DISPLAY, "streams": STREAMS, "errors": ERRORS, "science": SCIENCE,
          "imports": IMPORTS}  # fmt: skip
