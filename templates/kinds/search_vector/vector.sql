IF TG_OP = 'INSERT' OR {{ altered(columns + [column], types) }} THEN
  NEW.{{ column | ident }} := {% for text in columns %}{% if not loop.first %}
    || {% endif %}setweight(to_tsvector({{ config | literal }}::regconfig, coalesce(NEW.{{ text | ident }}::text, '')), {{ (weights[text] if text in weights else "D") | literal }}){% endfor %};
END IF;
