#!/bin/sh
# Builds the container image: deploy/build-image.sh [TAG]
#
# With Docker or Podman where their engine answers. Where there is none, with Buildah, as root, on a base made
# from Debian's packages; the image then lies in a store of its own (see `deploy/build-image.sh --store`).
#
#   BASE_IMAGE   another base than the one named in deploy/Dockerfile
#   ENGINE       docker, podman or buildah, whatever else there is
#
# Where this machine's pip takes packages from (its configuration, PIP_*, the certificate that it trusts) is
# handed to the build as a secret: it stays in no layer.
set -eu

cd "$(dirname "$0")/.."
store=${NETBOX_MCP_IMAGE_STORE:-${XDG_CACHE_HOME:-$HOME/.cache}/netbox-mcp/images}
suite=trixie
substitute=localhost/netbox-mcp-base:$suite
python=${PYTHON:-python3}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)

refuse() {
  echo "$1" >&2
  exit 1
}

find_engine() {
  if docker info >/dev/null 2>&1; then echo docker
  elif podman info >/dev/null 2>&1; then echo podman
  elif ! command -v buildah >/dev/null || ! command -v mmdebstrap >/dev/null; then
    refuse "There is no engine to build an image with. Install Docker or Podman, or, as root on Debian: apt-get install buildah mmdebstrap"
  elif [ "$(id -u)" != 0 ]; then
    refuse "Building without an engine (buildah in a chroot) needs root. Run this as root, or install Docker or Podman."
  else echo buildah
  fi
}

# The driver must stay the same for a store: it is chosen when the store is made.
our_buildah() {
  if [ ! -f "$store/driver" ]; then
    mkdir -p "$store"
    if buildah --root "$store/storage" --runroot "$store/run" --storage-driver overlay info >/dev/null 2>&1
    then echo overlay >"$store/driver"
    else echo vfs >"$store/driver"
    fi
  fi
  buildah --root "$store/storage" --runroot "$store/run" --storage-driver "$(cat "$store/driver")" "$@"
}

# Debian with Python, from packages: what the public base image is, as far as our Dockerfile needs it.
make_substitute() {
  if our_buildah inspect --type image "$substitute" >/dev/null 2>&1; then return; fi
  echo "Making a base image from Debian's packages takes a minute or two" >&2
  mirror=$(sed -n 's/^URIs: *\(http[^ ]*debian\/*\)$/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
  mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3,python3-venv,tini \
    --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$suite" "$scratch/base.tar" "${mirror:-http://deb.debian.org/debian}"
  container=$(our_buildah from --pull=never scratch)
  our_buildah add --quiet "$container" "$scratch/base.tar" / >/dev/null
  our_buildah commit --quiet --rm --format docker "$container" "$substitute" >/dev/null
}

# What pip is told on this machine, without folders of this machine: the build cannot see them.
pip_setting() {
  variable=PIP_$(echo "$1" | tr 'a-z-' 'A-Z_')
  eval "value=\${$variable:-}"
  [ -n "$value" ] || value=$("$python" -m pip config get "global.$1" 2>/dev/null) || value=
  for word in $value; do
    case $word in file:*) ;; *) printf ' %s' "$word" ;; esac
  done
}

write_secrets() {
  echo "[global]"
  for setting in index-url extra-index-url trusted-host proxy; do
    value=$(pip_setting "$setting")
    [ -z "$value" ] || echo "$setting =$value"
  done
  trusted=$(pip_setting cert)
  trusted=${trusted# }
  trusted=${trusted:-${SSL_CERT_FILE:-}}
  : >"$scratch/ca.pem"
  if [ -n "$trusted" ] && [ -f "$trusted" ]; then
    cat "$trusted" >"$scratch/ca.pem"
    echo "cert = /run/ca.pem"
  fi
}

case ${1:-} in
  --store)
    our_buildah info >/dev/null
    echo "$store $(cat "$store/driver")"
    exit ;;
  -*) refuse "Usage: deploy/build-image.sh [TAG]" ;;
esac
tag=${1:-netbox-mcp-orchestrator:$version}
engine=${ENGINE:-$(find_engine)}
scratch=$(mktemp -d)  # nobody else may look into it
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM
write_secrets >"$scratch/pip.conf"

set -- --file deploy/Dockerfile --build-arg "VERSION=$version" \
  --secret "id=pip.conf,src=$scratch/pip.conf" --secret "id=ca.pem,src=$scratch/ca.pem"
case $engine in
  docker | podman)
    if [ -n "${BASE_IMAGE:-}" ]; then set -- "$@" --build-arg "BASE_IMAGE=$BASE_IMAGE"; fi
    if [ "$engine" = podman ]; then set -- --format docker "$@"; fi  # the other format has no health checks
    "$engine" build --tag "$tag" "$@" . ;;
  buildah)
    if [ -z "${BASE_IMAGE:-}" ]; then
      make_substitute
      BASE_IMAGE=$substitute
    fi
    set -- --isolation chroot --pull=never --layers --format docker --build-arg "BASE_IMAGE=$BASE_IMAGE" "$@"
    # The first stage under a name of its own, so that its layers are there next time, and older ones are not.
    our_buildah bud "$@" --target build --tag localhost/netbox-mcp-build .
    our_buildah bud "$@" --tag "$tag" .
    our_buildah rmi --prune >/dev/null ;;
  *) refuse "ENGINE is docker, podman or buildah, not $engine." ;;
esac
echo "Built $tag with $engine" >&2
