-- triggerctl {{ tool_version | comment }}: {{ summary | comment }}
-- for {{ database | comment }}
-- Run it with: psql -X -v ON_ERROR_STOP=1 -f FILE

BEGIN;

SET LOCAL lock_timeout = '2s';

{% if base_version > 0 or rests_on %}
DO {% filter dollar -%}
BEGIN
{%- if base_version > 0 %}
  IF (SELECT max(version) FROM {{ history_schema | ident }}.migrations) <> {{ base_version | literal }} THEN
    RAISE EXCEPTION 'the history has moved on since this script was made: make it again';
  END IF;
{%- endif %}
{%- for item in rests_on %}
  IF ({{ item.fingerprint_sql | sql }}) IS DISTINCT FROM {{ item.live | literal }} THEN
    RAISE EXCEPTION USING MESSAGE = {{ (item.object ~ ' was changed since this script was made: make it again') | literal }};
  END IF;
{%- endfor %}
END
{%- endfilter %};

{% endif %}
