{#- Refuses an update that moves a row to another partition, for a `reason`. Of its own partition's bound the server knows the text. -#}
EXECUTE format('SELECT (%s) IS FALSE FROM (SELECT ($1).*) AS moved', coalesce(pg_catalog.pg_get_partition_constraintdef(TG_RELID), 'true'))
  INTO triggerctl_leaves USING NEW;
IF triggerctl_leaves THEN
  RAISE EXCEPTION USING MESSAGE = {{ ("a row of " ~ table ~ " cannot go to another partition: " ~ reason) | literal }}, ERRCODE = 'feature_not_supported',
    HINT = 'PostgreSQL does it by a DELETE and an INSERT, which fire their triggers.';
END IF;
