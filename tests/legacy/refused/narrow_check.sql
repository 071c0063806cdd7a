-- Their statuses are a closed list, and none of ours but two is in it.
ALTER TABLE public.allocation_proposals
  ADD CONSTRAINT status_of_theirs CHECK (status IN ('pending', 'approved', 'rejected'));
