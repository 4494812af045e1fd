"""`python -m tests.store` makes the environment of the store."""

from tests.store.place import set_up

if __name__ == "__main__":
    set_up()
