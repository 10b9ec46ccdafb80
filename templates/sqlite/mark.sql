{#- For `triggerctl test`: the body of a trigger that says when it fires. -#}
SELECT triggerctl_fired({{ mark | sql }});
{{ body | sql }}
