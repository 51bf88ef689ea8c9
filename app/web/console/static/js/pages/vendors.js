export const vendorsPage = () => null;
