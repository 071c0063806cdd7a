-- Amounts that no sum of is exact.
ALTER TABLE public.resource_usage ALTER COLUMN amount TYPE double precision;
