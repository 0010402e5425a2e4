"""What gunicorn serves: NetBox, with its style sheets and scripts.

NetBox leaves static files to a web server in front of it, which the sandbox
does not have; Django can serve them from where the packages put them.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
from typing import Any

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.db import connections
from django.http import Http404, HttpResponse, HttpResponseNotFound
from netbox.wsgi import application as netbox


class StaticFiles(StaticFilesHandler):  # type: ignore[misc]  # Django is not installed beside us
    """Django's handler, with index pages (the manual behind NetBox's help buttons) and a plain 404."""

    def file_path(self, url: str) -> str:
        """The file that a web server would choose."""
        return str(super().file_path(f"{url}index.html" if url.endswith("/") else url))

    def get_response(self, request: Any) -> HttpResponse:
        """The file; a missing one without NetBox's error page, which needs a signed-in user."""
        try:
            return self.serve(request)
        except Http404:
            return HttpResponseNotFound("Not found.")


application = StaticFiles(netbox)

# Loaded once before gunicorn forks: a connection opened while loading must not be shared by its workers.
connections.close_all()
