-- A key of a type that we do not count in.
ALTER TABLE public.resource_usage ALTER COLUMN id DROP IDENTITY;
ALTER TABLE public.resource_usage ALTER COLUMN id TYPE numeric;
