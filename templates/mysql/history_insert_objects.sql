INSERT INTO triggerctl_objects
  (kind, `schema`, `table`, name, version, rendered_digest, live_fingerprint, definition, `before`)
VALUES
{%- for row in rows %}
  ({{ row.kind | literal }}, {{ row.schema | literal }}, {{ row.table | literal }}, {{ row.name | literal }}, {{ version | literal }}, {{ row.rendered_digest | literal }},
   {{ row.live_fingerprint | literal }}, {{ row.definition | literal }}, {{ row.before | literal }})
  {%- if not loop.last %},{% endif %}
{%- endfor %}
