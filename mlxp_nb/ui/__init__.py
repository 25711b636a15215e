"""The notebook: magics and widgets; the only importer of IPython, ipywidgets and anywidget."""
