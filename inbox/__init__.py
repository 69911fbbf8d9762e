"""The local inbox: takes every mail the service sends on this machine and shows what readers would get."""
