{#- A row as JSON, in each dialect; what JSON cannot hold (blobs, bits) in hex or as a number. -#}

{%- macro cell(row, column, redact, types, dialect) -%}
  {%- set value = column | ident -%}
  {%- if column in redact -%}
    CASE WHEN {{ row | sql }}.{{ value }} IS NULL THEN NULL ELSE '***' END
  {%- elif dialect == "sqlite" -%}
    CASE typeof({{ row | sql }}.{{ value }}) WHEN 'blob' THEN hex({{ row | sql }}.{{ value }}) ELSE {{ row | sql }}.{{ value }} END
  {%- else -%}
    {#- The labels of an ENUM say nothing of it. -#}
    {%- set type = types[column] | lower | split("'") | first -%}
    {%- if "binary" in type or "blob" in type or type is startingwith("vector") -%}
      HEX({{ row | sql }}.{{ value }})
    {#- MariaDB writes the leading zeros of these into its JSON, which is none then. -#}
    {%- elif type is startingwith("bit") or type is startingwith("year") or "zerofill" in type -%}
      {{ row | sql }}.{{ value }} + 0
    {%- elif type in ["geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection"] -%}
      ST_AsText({{ row | sql }}.{{ value }})
    {#- MariaDB takes no such text beside another for its JSON, and writes numbers beside it as text. -#}
    {%- elif " character set " in (types[column] | lower | split("'") | last) -%}
      CONVERT({{ row | sql }}.{{ value }} USING utf8mb4)
    {%- else -%}
      {{ row | sql }}.{{ value }}
    {%- endif -%}
  {%- endif -%}
{%- endmacro -%}

{%- macro json_row(row, columns, redact, types, whole, dialect) -%}
  {%- if dialect == "postgres" -%}
    {#- A column that is called like the alias would be meant by that alone. -#}
    {%- set value = row if row in ["OLD", "NEW"] else row ~ ".*" -%}
    {%- if whole and not redact -%}
      to_jsonb({{ value | sql }})
    {%- else -%}
      (SELECT jsonb_object_agg(part.key, {% if redact %}CASE WHEN part.key IN ({{ redact | literals }}) AND part.value <> 'null' THEN '"***"' ELSE part.value END{% else %}part.value{% endif %}) FROM jsonb_each(to_jsonb({{ value | sql }})) AS part WHERE part.key IN ({{ columns | literals }}))
    {%- endif -%}
  {%- elif dialect == "mysql" -%}
    JSON_OBJECT({% for column in columns %}{% if not loop.first %}, {% endif %}{{ column | literal }}, {{ cell(row, column, redact, types, dialect) }}{% endfor %})
  {%- else -%}
    {#- Older SQLite takes 127 arguments: a wide table's are rows. -#}
    {%- if columns | length > 50 -%}
      (WITH part (name, value) AS (VALUES {% for column in columns %}{% if not loop.first %}, {% endif %}({{ column | literal }}, {{ cell(row, column, redact, types, dialect) }}){% endfor %}) SELECT json_group_object(name, value) FROM part)
    {%- else -%}
      json_object({% for column in columns %}{% if not loop.first %}, {% endif %}{{ column | literal }}, {{ cell(row, column, redact, types, dialect) }}{% endfor %})
    {%- endif -%}
  {%- endif -%}
{%- endmacro -%}
