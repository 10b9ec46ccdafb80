CREATE SCHEMA IF NOT EXISTS {{ history_schema | ident }}
