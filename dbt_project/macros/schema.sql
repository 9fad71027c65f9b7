{#-
  A model's schema is exactly what dbt_project.yml says: raw, staging, intermediate, aggregates, marts, exports_public,
  exports_leaders.
-#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}
