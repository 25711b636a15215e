"""Tests that look at a real JupyterLab in headless Chromium."""
