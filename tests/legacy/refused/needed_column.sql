-- A column that every writer must give and that no default knows: what we write could not be inserted.
ALTER TABLE public.resource_usage ADD COLUMN tenant text;
UPDATE public.resource_usage SET tenant = 'lab';
ALTER TABLE public.resource_usage ALTER COLUMN tenant SET NOT NULL;
