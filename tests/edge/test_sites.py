"""Which site an agent is: told by the bundle, kept apart on the disk."""

import pytest

from tests.edge.agent_process import AgentProcess, wait_for
from tests.edge.conftest import EdgeSite

pytestmark = pytest.mark.broker


def test_without_a_bundle_it_lives_is_not_ready_and_waits(site: EdgeSite) -> None:
    site.agent.start(ready=False)
    wait_for(lambda: site.agent.get("/livez") == b"ok\n", "is not alive")
    assert site.agent.get("/readyz") is None

    site.agent.configure(site.bundle())
    wait_for(site.agent.ready, "does not take the bundle")


def test_a_new_site_begins_with_a_spool_of_its_own(site: EdgeSite) -> None:
    """The EdgeSite was deleted and made anew: same name, another UID, and generations begin again."""
    site.agent.configure(site.bundle(generation=7))
    site.agent.start()
    sensors = site.sensors()
    sensors.send(1_700_000_000, 2.0)
    sensors.flush()
    wait_for(lambda: sum(book["received"] for book in site.agent.status()["books"]["sources"]) == 1, "not received")

    site.agent.configure(site.bundle(generation=1, site_uid="another"))
    wait_for(lambda: site.agent.status().get("siteUID") == "another" and site.agent.listens(), "does not change over")

    assert site.agent.status()["books"]["sources"] == []
    assert {folder.name for folder in site.agent.data.iterdir() if folder.is_dir()} == {
        "plant.another",
        f"plant.{site.bundle().site_uid}",
    }


def test_a_second_agent_on_the_same_data_ends_with_a_sentence(site: EdgeSite) -> None:
    site.agent.configure(site.bundle())
    site.agent.start()
    second = AgentProcess(site.agent.bundle_folder.parent, data=site.agent.data)
    second.log = second.log.with_name("second.log")
    second.start(ready=False)
    assert second.process is not None
    assert second.process.wait(20) == 2
    assert "is in use by another agent; stop it, or give this one another --data" in second.log.read_text()
    assert "Traceback" not in second.log.read_text()
