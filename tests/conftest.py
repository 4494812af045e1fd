"""What every test may ask for: the real parts, each from the folder that knows how to run it."""

pytest_plugins = ["tests.browser.fixtures", "tests.cluster.fixtures", "tests.engine.fixtures", "tests.store.fixtures"]
