export const usagePage = () => null;
