"""Who may reach a service: this machine alone, unless somebody asked for more.

In:  a host, names.
Out: nothing; what may not be is refused.
"""

from collections.abc import Sequence

from undertone.errors import UndertoneError
from undertone.web.guard import host_of, is_loopback


def check_host(host: str, *, is_public: bool) -> None:
    """Refuse to be reached by other machines unless that was asked for.

    Raises:
        UndertoneError: the host is none of this machine's own.
    """
    if is_public or is_loopback(host):
        return
    raise UndertoneError(
        f"--host {host} lets other machines in: there is no password, and speech travels "
        "unencrypted. Leave --host out to serve this machine alone, or add --public where that is "
        "meant"
    )


def check_names(names: Sequence[str]) -> None:
    """Refuse names by which no browser can call this machine.

    Raises:
        UndertoneError: a name is none.
    """
    for name in names:
        if host_of(name) != name.casefold():
            raise UndertoneError(
                f"--name takes what stands between http:// and the port, as my-machine.local; "
                f"found {name!r}"
            )
