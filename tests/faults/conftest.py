def pytest_addoption(parser):
    reason = "put faults back into copies of the product, and run what shows each"
    parser.addoption("--faults", action="store_true", help=reason)
