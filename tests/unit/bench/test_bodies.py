"""How a load generator sends what the agent sent."""

from bench.asking.bodies import Body, by_question


def a_body(question: str, *more: str) -> Body:
    return {"messages": [{"role": "system", "content": "s"}, *({"content": each} for each in (question, *more))]}


def test_a_repair_stands_behind_what_it_repairs() -> None:
    """So that nobody sends it before it can be known; the agent itself asks others meanwhile."""
    first, second = a_body("m1"), a_body("m2")
    repair = a_body("m1", "{}", "That cannot be used")
    assert by_question([first, second, repair]) == [[first, repair], [second]]
