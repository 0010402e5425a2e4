#!/bin/sh
# Makes .env for docker-compose.yml, from .env.example, with random secrets:
#
#   deploy/new-env.sh [netbox] [monitoring]
#
# The words are profiles: `netbox` brings a NetBox along, and its address and token are filled in; without it
# set NETBOX_URL and NETBOX_TOKEN yourself. A .env that is there is never touched.
set -eu

cd "$(dirname "$0")/.."

refuse() {
  echo "$1" >&2
  exit 1
}

random() {  # so many bytes, in hexadecimal: letters and digits that no shell, file or address misreads
  od -An -v -tx1 -N "$1" /dev/urandom | tr -d ' \n'
}

profiles=
for profile in "$@"; do
  case $profile in
    netbox | monitoring) profiles=${profiles:+$profiles,}$profile ;;
    *) refuse "There is no profile $profile: deploy/new-env.sh [netbox] [monitoring]" ;;
  esac
done

metrics_token=$(random 24)
metrics_sha256=$(printf %s "$metrics_token" | sha256sum | cut -d ' ' -f 1)
token_key=$(random 6)
token_secret=$(random 20)
netbox_url=
netbox_token=
case ,$profiles, in
  *,netbox,*)
    netbox_url=http://netbox:8080
    netbox_token=nbt_$token_key.$token_secret ;;
esac

umask 077
set -C  # from here on, writing to a file that exists is an error
sed 2>/dev/null >.env \
  -e "s|^COMPOSE_PROFILES=\$|&$profiles|" \
  -e "s|^NETBOX_URL=\$|&$netbox_url|" \
  -e "s|^NETBOX_TOKEN=\$|&$netbox_token|" \
  -e "s|^REDIS_PASSWORD=\$|&$(random 24)|" \
  -e "s|^NETBOX_MCP_TOKEN=\$|&$(random 24)|" \
  -e "s|^METRICS_TOKEN=\$|&$metrics_token|" \
  -e "s|^# NETBOX_MCP_CLIENTS=\$|NETBOX_MCP_CLIENTS='[{\"name\": \"prometheus\", \"sha256\": \"$metrics_sha256\", \"scopes\": [\"read\"]}]'|" \
  -e "s|^NETBOX_DB_PASSWORD=\$|&$(random 24)|" \
  -e "s|^NETBOX_REDIS_PASSWORD=\$|&$(random 24)|" \
  -e "s|^NETBOX_SECRET_KEY=\$|&$(random 32)|" \
  -e "s|^NETBOX_TOKEN_PEPPER=\$|&$(random 32)|" \
  -e "s|^NETBOX_ADMIN_PASSWORD=\$|&$(random 12)|" \
  -e "s|^NETBOX_ADMIN_TOKEN_KEY=\$|&$token_key|" \
  -e "s|^NETBOX_ADMIN_TOKEN_SECRET=\$|&$token_secret|" \
  -e "s|^GRAFANA_PASSWORD=\$|&$(random 12)|" \
  .env.example || refuse "There is a .env already, or it cannot be written; nothing was changed."

if [ -z "$netbox_url" ]; then
  echo "Made .env. Set NETBOX_URL and NETBOX_TOKEN in it, then: docker compose up -d"
else
  echo "Made .env. Now: docker compose up -d; NetBox's admin has the password NETBOX_ADMIN_PASSWORD."
fi
