"""Documents in files of one folder: read over every face; nothing outside of it is, by any name."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from netbox_mcp.dependencies import forget
from netbox_mcp.failures import TooLargeError, UsageError
from netbox_mcp.inputs import load_input
from orchestrator.errors import DocumentError
from orchestrator.netbox import ConfigError
from tests.contract.clients import CommandLine, ask, in_memory
from tests.contract.test_transports import TOKEN, serve
from tests.integration.worker_process import NetBoxOverHttp

SECRET = "sites: [{name: what nobody may read}]\n"


@pytest.fixture
def folder(bare: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder that is configured; beside it lies a document that is nobody's business."""
    folder = tmp_path / "inputs"
    (folder / "ams").mkdir(parents=True)
    (tmp_path / "secret.yaml").write_text(SECRET)
    bare.setenv("NETBOX_MCP_INPUTS_FOLDER", str(folder))
    forget()
    return folder


def sites(*names: str) -> dict[str, Any]:
    return {"sites": [{"name": name} for name in names]}


# What is read


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ams3.yaml", "sites: [{name: AMS3}]"),
        ("ams3.YML", "sites: [{name: AMS3}]"),
        ("ams3.json", '\ufeff{"sites": [{"name": "AMS3"}]}'),
        ("ams/sites.csv", "name\nAMS3\n"),
    ],
)
def test_a_document_is_read_by_its_ending(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    assert load_input(f"file:{name}") == sites("AMS3")


def test_links_inside_the_folder_are_followed(folder: Path) -> None:
    """A folder that Kubernetes mounts consists of them."""
    (folder / "..data").symlink_to("ams")
    (folder / "ams3.yaml").symlink_to("..data/ams3.yaml")
    (folder / "ams" / "ams3.yaml").write_text("sites: [{name: AMS3}]")
    assert load_input("file:ams3.yaml") == sites("AMS3")


def test_the_folder_itself_may_be_a_link(folder: Path, bare: pytest.MonkeyPatch) -> None:
    (folder / "ams3.yaml").write_text("sites: [{name: AMS3}]")
    link = folder.with_name("link")
    link.symlink_to(folder)
    bare.setenv("NETBOX_MCP_INPUTS_FOLDER", str(link))
    forget()
    assert load_input("file:ams3.yaml") == sites("AMS3")


# What is refused


def refusal(name: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        load_input(f"file:{name}")
    assert "nobody may read" not in f"{caught.value} {caught.value.hint}"
    return caught.value


def test_no_file_is_read_unless_a_folder_is_configured(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ams3.yaml").write_text("sites: [{name: AMS3}]")
    assert "NETBOX_MCP_INPUTS_FOLDER" in refusal("ams3.yaml").hint
    assert str(refusal(str(tmp_path / "ams3.yaml"))) == "This server reads no files."


@pytest.mark.parametrize("name", ["../secret.yaml", "ams/../../secret.yaml", "/etc/hostname.yaml", "\0.yaml"])
def test_no_path_leads_out_of_the_folder(folder: Path, name: str) -> None:
    assert "does not lie in the folder for inputs" in str(refusal(name))


def test_an_absolute_path_leads_nowhere_else(folder: Path) -> None:
    assert "does not lie" in str(refusal(str(folder.parent / "secret.yaml")))


def test_whether_a_file_outside_exists_is_not_told(folder: Path) -> None:
    there, nowhere = refusal("../secret.yaml"), refusal("../secrex.yaml")
    assert (str(there).replace("secret", "secrex"), there.hint) == (str(nowhere), nowhere.hint)


@pytest.mark.parametrize("link", ["file", "folder", "chain"])
def test_no_link_leads_out_of_the_folder(folder: Path, link: str) -> None:
    secret = folder.parent / "secret.yaml"
    if link == "file":
        (folder / "ams3.yaml").symlink_to(secret)
        name = "ams3.yaml"
    elif link == "folder":
        (folder / "out").symlink_to(folder.parent)
        name = "out/secret.yaml"
    else:
        (folder / "ams" / "up.yaml").symlink_to(secret)
        (folder / "ams3.yaml").symlink_to("ams/up.yaml")
        name = "ams3.yaml"
    assert "does not lie in the folder for inputs" in str(refusal(name))


@pytest.mark.parametrize("name", ["ams3.yaml", "ams/ams3.yaml"])
def test_a_link_that_is_put_there_meanwhile_is_refused(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between finding out where a name leads and opening it."""
    (folder / name).write_text("sites: [{name: AMS3}]")
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "ams3.yaml").write_text(SECRET)
    find: Callable[..., str] = os.path.realpath

    def find_then_swap(path: Any, **how: Any) -> str:
        found = find(path, **how)
        if found.endswith(name):
            monkeypatch.setattr(os.path, "realpath", find)
            taken, link = (folder / "ams", outside) if "/" in name else (folder / name, outside / name)
            taken.rename(folder / "gone")
            taken.symlink_to(link)
        return found

    monkeypatch.setattr(os.path, "realpath", find_then_swap)
    refusal(name)
    assert (folder / name).read_text() == SECRET


def test_the_folder_is_named_by_its_absolute_path(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Empty must not mean the folder that the server happens to run in."""
    (tmp_path / "ams3.yaml").write_text("sites: [{name: AMS3}]")
    (tmp_path / "netbox-mcp.toml").write_text('inputs_folder = ""')
    forget()
    assert str(refusal("ams3.yaml")) == "This server reads no files."
    (tmp_path / "netbox-mcp.toml").write_text('inputs_folder = "."')
    forget()
    with pytest.raises(ConfigError, match="absolute path"):
        load_input("file:ams3.yaml")
    bare.setenv("HOME", str(tmp_path))
    (tmp_path / "netbox-mcp.toml").write_text('inputs_folder = "~"')
    forget()
    assert load_input("file:ams3.yaml") == sites("AMS3")


def test_a_folder_that_is_not_there_is_told_as_such(folder: Path) -> None:
    shutil.rmtree(folder)
    assert str(refusal("ams3.yaml")) == "The folder for inputs is not there."


def test_names_that_nobody_can_read_are_not_listed(folder: Path) -> None:
    for name in (b"b\xff.yaml", b"two\nlines.yaml", b"fine.yaml"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text("sites: []")
    assert refusal("zzz.yaml").hint == "There are: fine.yaml."


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "ams3.yaml")
    assert "is no file" in str(refusal("ams3.yaml"))
    (folder / "folder.yaml").mkdir()
    assert "is no file" in str(refusal("folder.yaml"))


def test_a_name_without_a_document_gets_a_way_out(folder: Path) -> None:
    assert refusal("ams3.yaml").hint == "It has no document."
    (folder / "ams3.yaml").write_text("sites: []")
    (folder / "ams" / "sites.csv").write_text("name\n")
    (folder / "notes.txt").write_text("no document")
    assert refusal("asm3.yaml").hint == "Did you mean ams3.yaml?"
    assert refusal("").hint == "There are: ams/sites.csv, ams3.yaml."
    for no_document in ("notes.txt", "ams", "ams3.yaml/more.yaml", "x" * 300 + ".yaml"):
        refusal(no_document)


def test_what_is_wrong_in_a_file_is_told_with_its_place(folder: Path, bare: pytest.MonkeyPatch) -> None:
    (folder / "ams3.yaml").write_text("sites:\n  - {name: AMS3\n")
    with pytest.raises(DocumentError, match=r"ams3\.yaml:3"):
        load_input("file:ams3.yaml")
    (folder / "ams3.yaml").write_bytes(b"sites: [{name: \xff}]")
    assert "ams3.yaml is not UTF-8 text" in str(refusal("ams3.yaml"))
    (folder / "ams3.yaml").write_text("just a word")
    assert "ams3.yaml is no document" in str(refusal("ams3.yaml"))
    bare.setenv("NETBOX_MCP_MAX_INPUT_BYTES", "2000")
    forget()
    (folder / "ams3.yaml").write_text(" " * 2001)
    with pytest.raises(TooLargeError, match="2,001 bytes; a document may have 2,000"):
        load_input("file:ams3.yaml")


# On a real NetBox, over every face


def test_every_face_plans_it(netbox: NetBoxOverHttp, cli: CommandLine, folder: Path, prefix: str) -> None:
    (folder / "two.yaml").write_text(json.dumps(sites(f"{prefix} 1", f"{prefix} 2")))
    environment = {"NETBOX_MCP_INPUTS_FOLDER": str(folder)}
    arguments = {"input_id": "file:two.yaml"}

    asked = in_memory(lambda client: ask(client, "netbox_plan_bulk", **arguments))
    assert asked.data["totals"] == {"create": 2}

    told = CommandLine(cli.folder, {**cli.environment, **environment})
    run = told("call", "netbox_plan_bulk", "--arguments", json.dumps(arguments), "--json")
    assert run.json["totals"] == {"create": 2}

    for server in serve(cli, NETBOX_MCP_TOKEN=TOKEN, **environment):
        answer = requests.post(
            f"{server.url}/api/v1/plans",
            json=arguments,
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=60,
        )
        assert (answer.status_code, answer.json()["totals"]) == (200, {"create": 2})
