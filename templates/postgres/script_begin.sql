-- triggerctl {{ tool_version | comment }}: {{ summary | comment }}
-- for {{ database | comment }}
-- Run it with: psql -X -v ON_ERROR_STOP=1 -f FILE

BEGIN;

SET LOCAL lock_timeout = '2s';
-- What a text means must not depend on who runs it.
SET LOCAL standard_conforming_strings = on;
SET LOCAL transform_null_equals = off;
SET LOCAL array_nulls = on;
SET LOCAL xmloption = content;
SET LOCAL DateStyle = 'ISO, MDY';
SET LOCAL IntervalStyle = 'postgres';
SET LOCAL TimeZone = 'UTC';
SET LOCAL lc_monetary = 'C';

-- What every trigger is like, as one digest: to look again before anything is done, and for the record at the end.
CREATE TEMPORARY VIEW triggerctl_live AS
{{ live_sql | sql }};

DO {% filter dollar %}
DECLARE
  moved text;
BEGIN
{%- if base_version > 0 %}
  IF (SELECT max(version) FROM {{ history_schema | ident }}.migrations) <> {{ base_version | literal }} THEN
    RAISE EXCEPTION 'the history has moved on since this script was made: make it again';
  END IF;
{%- endif %}
  SELECT string_agg(was.kind || ' ' || was.name, ', ') INTO moved
  FROM (VALUES
{%- for item in rests_on %}
    ({{ item.object.kind | literal }}, {{ item.object.schema | literal }}, {{ (item.object.table or '') | literal }}, {{ item.object.name | literal }}, {{ item.live | literal }}{% if loop.first %}::text{% endif %})
    {%- if not loop.last %},{% endif %}
{%- endfor %}
  ) AS was (kind, schema, "table", name, fingerprint)
  LEFT JOIN pg_temp.triggerctl_live AS live USING (kind, schema, "table", name)
  WHERE live.fingerprint IS DISTINCT FROM was.fingerprint;
  IF moved IS NOT NULL THEN
    RAISE EXCEPTION 'changed since this script was made: %', moved USING HINT = 'Make the script again.';
  END IF;
END
{% endfilter %};

