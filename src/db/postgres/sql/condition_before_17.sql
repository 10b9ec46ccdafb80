CASE WHEN t.tgqual IS NOT NULL THEN pg_catalog.array_to_string(ARRAY(
    SELECT pg_catalog.ltrim(part, '-0123456789')
    FROM pg_catalog.unnest(pg_catalog.string_to_array(t.tgqual::pg_catalog.text, ' :location ')) AS piece(part)
  ), ' ') END
