-- A table whose every column is published, now and later: a subscriber that lacks one of ours would stop.
DROP PUBLICATION IF EXISTS usage_for_the_archive;
CREATE PUBLICATION usage_for_the_archive FOR TABLE public.resource_usage;
